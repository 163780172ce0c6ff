#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A registry that misbehaves: passes requests on to a good one, and spoils what the arguments say.
usage: bad_registry.py PORT http://GOOD [FAULT...]

  cut=N[:TIMES]   ends the connection after N bytes of a blob, the first TIMES requests (default 3)
  stop-after=N    sends N bytes of a blob and then nothing more, for ever
  no-ranges       answers ranges with the whole blob
  wrong-range     answers ranges with other bytes than were asked for
  wrong-bytes     changes a byte in the middle of each blob
  wrong-manifest  changes a byte of each manifest
  manifest=FILE   gives that file as every manifest
  long=N, short=N lies about a blob's length: N bytes more, or fewer, than there are
  loop            redirects blobs to itself for ever
  elsewhere=URL   redirects blobs to another server (which logs what arrives there)
  status=S:TIMES[:RETRY-AFTER]  answers S to the first TIMES requests below /v2/REPOSITORY; RETRY-AFTER is a
                  number, or date+N for the date in N seconds
  stall-headers   takes requests for blobs and never answers
  no-type         gives manifests no Content-Type
  echo            prints each request's line and whether it carries credentials
  no-patch        refuses PATCH with a stream (without Content-Range)
"""
import email.utils, http.client, sys, threading, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, good = int(sys.argv[1]), urllib.parse.urlsplit(sys.argv[2])
faults = dict((a.split("=", 1) + [""])[:2] for a in sys.argv[3:])
lock = threading.Lock()
counts = {}


def first(name, times):
    with lock:
        counts[name] = counts.get(name, 0) + 1
        return counts[name] <= times


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            data = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                data += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return data
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def plain(self, status, headers=(), text=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def spoil_request(self, blob):
        if "echo" in faults:
            print(self.command, self.path, "Authorization" in self.headers, flush=True)
        if "status" in faults and self.path != "/v2/":
            status, times, after = (faults["status"].split(":") + [""])[:3]
            if after.startswith("date+"):
                after = email.utils.formatdate(time.time() + int(after[5:]), usegmt=True)
            if first("status", int(times)):
                self.plain(int(status), [("Retry-After", after)] if after else [])
                return True
        if "no-patch" in faults and self.command == "PATCH" and "Content-Range" not in self.headers:
            self.body()
            self.plain(405)
            return True
        if not blob or self.command != "GET":
            return False
        if "loop" in faults:
            self.plain(307, [("Location", self.path)])
            return True
        if "elsewhere" in faults:
            self.plain(307, [("Location", faults["elsewhere"] + self.path)])
            return True
        if "stall-headers" in faults:
            time.sleep(3600)
        return False

    def spoil_answer(self, blob, headers, data):
        if not blob or self.command != "GET":
            if "wrong-manifest" in faults and "/manifests/" in self.path and self.command == "GET":
                data = data.replace(b'"schemaVersion"', b'"schemaversion"')
            if "manifest" in faults and "/manifests/" in self.path and self.command == "GET":
                with open(faults["manifest"], "rb") as f:
                    data = f.read()
                headers.pop("Docker-Content-Digest", None)
            return data, len(data)
        said = len(data)
        if "wrong-bytes" in faults and data:
            data = data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:]
        said += int(faults.get("long", 0)) - int(faults.get("short", 0))
        if "short" in faults:
            data = data[:said]
        if "wrong-range" in faults and "Content-Range" in headers:
            headers["Content-Range"] = "bytes 0-%d/%d" % (len(data) - 1, len(data) + 7)
        return data, said

    def send_slowly(self, blob, data):
        limit = len(data)
        if blob and self.command == "GET" and "cut" in faults:
            size, _, times = faults["cut"].partition(":")
            if first("cut", int(times or 3)):
                limit = min(limit, int(size))
        if blob and self.command == "GET" and "stop-after" in faults:
            limit = min(limit, int(faults["stop-after"]))
        self.wfile.write(data[:limit])
        self.wfile.flush()
        if limit < len(data):
            if "stop-after" in faults:
                time.sleep(3600)
            self.close_connection = True

    def serve(self):
        blob = "/blobs/sha256:" in self.path
        if self.spoil_request(blob):
            return
        headers = {k: v for k, v in self.headers.items()
                   if k.lower() not in ("host", "connection", "transfer-encoding", "content-length")}
        if "no-ranges" in faults:
            headers.pop("Range", None)
        connection = http.client.HTTPConnection(good.hostname, good.port)
        connection.request(self.command, self.path, self.body() or None, headers)
        answer = connection.getresponse()
        data = answer.read()
        back = {k: v for k, v in answer.getheaders()
                if k.lower() not in ("connection", "transfer-encoding", "content-length")}
        length = answer.getheader("Content-Length")
        if "no-type" in faults and "/manifests/" in self.path:
            back.pop("Content-Type", None)
        data, said = self.spoil_answer(blob, back, data)
        self.send_response(answer.status)
        for name, value in back.items():
            self.send_header(name, value.replace("http://" + good.netloc, "http://127.0.0.1:%d" % port))
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(said))
        self.end_headers()
        if self.command != "HEAD":
            self.send_slowly(blob, data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve


server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
server.daemon_threads = True
server.serve_forever()
