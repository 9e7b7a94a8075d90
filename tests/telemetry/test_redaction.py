import threading

import pytest

from snakepit_nb.telemetry.redaction import HIDDEN, MOST_SECRETS, Redaction


def hiding(*secrets: str) -> Redaction:
    redaction = Redaction()
    for secret in secrets:
        redaction.hide(secret)
    return redaction


def test_a_known_secret_is_taken_out_wherever_it_stands() -> None:
    redaction = hiding("hunter2-hunter2")

    assert redaction.redacted("a hunter2-hunter2, hunter2-hunter2!") == f"a {HIDDEN}, {HIDDEN}!"


def test_a_text_without_a_secret_is_the_same_object() -> None:
    text = "nothing to see"

    assert hiding("hunter2-hunter2").redacted(text) is text
    assert Redaction().redacted(text) is text


def test_of_two_secrets_that_begin_alike_the_longer_one_is_taken_out_whole() -> None:
    assert hiding("secret-1", "secret-12").redacted("secret-12") == HIDDEN


def test_what_a_pattern_would_mean_something_in_is_taken_literally() -> None:
    redaction = hiding("a.c|(d+")

    assert redaction.redacted("abc|(d+ and a.c|(d+") == f"abc|(d+ and {HIDDEN}"


def test_a_secret_too_short_to_be_told_from_chance_is_not_hidden() -> None:
    assert hiding("12345").redacted("at 12345") == "at 12345"


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN",
        "DB_PASSWORD",
        "PGPASSWD",
        "client_secret",
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "SSH_PRIVATE_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "HTTP_AUTHORIZATION",
    ],
)
def test_variables_whose_names_tell_a_secret_are_hidden(name: str) -> None:
    redaction = Redaction()
    redaction.hide_variables({name: "value-of-it", "HOME": "/home/somebody"})

    assert redaction.redacted("value-of-it in /home/somebody") == f"{HIDDEN} in /home/somebody"


def test_of_many_secrets_the_last_are_hidden() -> None:
    redaction = hiding(*(f"secret-number-{number:04}" for number in range(MOST_SECRETS + 1)))

    assert redaction.redacted("secret-number-0000") == "secret-number-0000"
    assert redaction.redacted("secret-number-0256") == HIDDEN


def test_what_is_collected_while_a_secret_is_noted_may_be_logged() -> None:
    redaction = hiding("hunter2-hunter2")
    seen: list[str] = []

    def look() -> None:
        with redaction._lock:  # as `hide` holds it when the collector runs a `__del__` that logs
            seen.append(redaction.redacted("hunter2-hunter2"))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(5)

    assert seen == [HIDDEN]
