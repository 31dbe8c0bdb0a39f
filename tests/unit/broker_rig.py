"""A broker for the SDK that answers from a list."""

from accelpool.rest import Answer


class FakeBroker:
    """Answers requests from a list: a lease's state, an Answer, or an exception; waiting takes its time."""

    url = "http://broker.example:8750"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.now = 0.0
        self.slept = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def request(self, method, path, **options):
        self.requests.append((method, path, options))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Answer):
            return answer
        if answer == "queued":
            self.now += options.get("wait_s", 0.0)
        return lease(answer)

    @property
    def calls(self):
        return [(method, path) for method, path, _ in self.requests]


def lease(state, retry_after_s=None, **members):
    body = {"id": "L", "state": state, "reason": "all are taken", "position": 3, **members}
    return Answer(body=body, retry_after_s=retry_after_s)
