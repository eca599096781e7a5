"""HTTP below the app: what is no request gets the same kind of answer as what is a wrong one."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fleetkit import context, problems


class Protocol(HttpToolsProtocol):
    """uvicorn's own, but for its one answer, which is plain text without an id."""

    def send_400_response(self, _msg: str) -> None:
        context.enter(request=None, parent=None)
        answer = problems.answer(400, "malformed", "The request is not HTTP as it should be.")
        answer.headers["x-request-id"] = context.request_id.get() or ""
        answer.headers["connection"] = "close"
        lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(each) for each in answer.raw_headers)]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()
