"""How a suite of Python says what came of its cases: as a suite of Rust does."""

import time
import unittest


class Lines(unittest.TestResult):
    """One line per case, and what went wrong below the failed ones."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.began = time.monotonic()

    def say(self, test: unittest.TestCase, word: str) -> None:
        took = time.monotonic() - self.began if hasattr(self, "began") else 0
        print(f"test {name(test)} ... {word} ({took:.2f} s)", flush=True)

    def addSuccess(self, test: unittest.TestCase) -> None:
        self.passed += 1
        self.say(test, "ok")

    def addFailure(self, test: unittest.TestCase, err) -> None:
        super().addFailure(test, err)
        self.say(test, "FAILED")
        self.explain(self.failures[-1][1])

    def addError(self, test: unittest.TestCase, err) -> None:
        super().addError(test, err)
        self.say(test, "FAILED")
        self.explain(self.errors[-1][1])

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self.say(test, f"skipped: {reason}")

    def explain(self, text: str) -> None:
        for line in text.strip().splitlines()[-12:]:
            if line.strip(" ^~"):
                print(f"    | {line}", flush=True)


def name(test: unittest.TestCase) -> str:
    return ".".join(test.id().split(".")[-2:])
