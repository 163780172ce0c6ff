#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small HTTP proxy on a loopback port: prints the method and target of each request.
usage: proxy.py PORT"""
import http.client, socket, sys, threading, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def pump(source, sink):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_CONNECT(self):
        print("CONNECT", self.path, flush=True)
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as server:
            self.send_response(200)
            self.end_headers()
            there = threading.Thread(target=pump, args=(self.connection, server), daemon=True)
            there.start()
            pump(server, self.connection)
        self.close_connection = True

    def forward(self):
        print(self.command, self.path, flush=True)
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        there = http.client.HTTPConnection(url.hostname, url.port)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("proxy-connection", "connection")}
        there.request(self.command, url.path + ("?" + url.query if url.query else ""), body, headers)
        answer = there.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = forward


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
