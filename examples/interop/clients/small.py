"""Servers that answer every request, for `limits.py`: `app` for WSGI, `asgi` for ASGI. As a program it is a server of tornado:
`python small.py PORT SECONDS`, which closes a connection that is idle for so long.
"""

import sys


def app(_environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"whole"]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"whole"})


def main():
    import asyncio

    import tornado.httpserver
    import tornado.web

    class Whole(tornado.web.RequestHandler):
        def get(self):
            self.write(b"whole")

    async def serve():
        app = tornado.web.Application([(r"/.*", Whole)], log_function=lambda _: None)
        server = tornado.httpserver.HTTPServer(app, idle_connection_timeout=float(sys.argv[2]))
        server.listen(int(sys.argv[1]), "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
