#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A token server for docker-registry: alice with s3cret may do everything, everybody may read
public/*. Tokens are signed by openssl with the authority's own key.
usage: token_server.py PORT KEY CERTIFICATE"""
import base64, json, subprocess, sys, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, key, cert = int(sys.argv[1]), sys.argv[2], sys.argv[3]
der = base64.b64encode(subprocess.run(["openssl", "x509", "-in", cert, "-outform", "DER"],
                                      check=True, capture_output=True).stdout).decode()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims):
    head = b64(json.dumps({"typ": "JWT", "alg": "RS256", "x5c": [der]}).encode())
    text = head + "." + b64(json.dumps(claims).encode())
    done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(),
                          check=True, capture_output=True)
    return text + "." + b64(done.stdout)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def give(self, user, query):
        access = []
        for scope in " ".join(query.get("scope", [])).split():
            kind, rest = scope.split(":", 1)
            name, actions = rest.rsplit(":", 1)
            allowed = actions.split(",") if user else ["pull"] if name.startswith("public/") else []
            if allowed:
                access.append({"type": kind, "name": name, "actions": allowed})
        now = int(time.time())
        token = sign({"iss": "test-issuer", "sub": user or "", "aud": query.get("service", [""])[0],
                      "exp": now + 300, "nbf": now - 10, "iat": now, "jti": str(time.time_ns()),
                      "access": access})
        print("gave", user or "nobody", access, flush=True)
        self.answer(200, {"token": token, "expires_in": 300})

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        header = self.headers.get("Authorization", "")
        user = None
        if header.startswith("Basic "):
            user, _, password = base64.b64decode(header[6:]).decode().partition(":")
            if (user, password) != ("alice", "s3cret"):
                print("refused", user, flush=True)
                return self.answer(401, {"errors": [{"message": "no"}]})
        self.give(user, query)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = urllib.parse.parse_qs(body)
        if form.get("refresh_token") != ["alices-identity"]:
            return self.answer(401, {})
        self.give("alice", {"scope": form.get("scope", []), "service": form.get("service", [""])})

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
