import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ORIGINS = set(json.loads(sys.argv[1]))


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    # Without this, the second of the two writes, head and body, would wait until the client acknowledges the first.
    disable_nagle_algorithm = True

    def _send_cors_headers(self):
        if self.headers.get('Origin') in ORIGINS:
            self.send_header('Access-Control-Allow-Origin', self.headers['Origin'])
            self.send_header('Access-Control-Allow-Credentials', 'true')
        self.send_header('Vary', 'Origin')

    def send_dict_response(self, value):
        body = json.dumps(value, separators=(',', ':')).encode()
        self.send_response(200)
        self._send_cors_headers()
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_OPTIONS(self):
        self.send_response(204)
        self._send_cors_headers()
        self.send_header('Access-Control-Allow-Methods', 'GET, HEAD, POST, OPTIONS')
        self.send_header('Access-Control-Allow-Headers', 'authorization,content-type,x-api-key')
        self.send_header('Access-Control-Max-Age', '600')
        self.end_headers()

    def do_GET(self):
        self.send_dict_response({'status': 'OK'})

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        self.send_dict_response({'status': 'OK', 'received': json.loads(body)})

    def log_request(self, code='-', size='-'):
        pass


server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print(f'Listening on http://127.0.0.1:{server.server_port}', flush=True)
server.serve_forever()
