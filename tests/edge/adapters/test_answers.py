from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.adapters.answers import payload_of, refusal
from edge.contract.messages import Response


def ok(data: dict[str, object]) -> Response:
    return Response(verb="people_list", status="ok", error=None, data=data, transaction="t")


def test_an_answer_that_fits_is_sent_as_it_is() -> None:
    response = ok({"people": [{"name": "Åsa"}]})
    assert payload_of(response) == response.to_json()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"people": ["x" * 100] * 6000}, "at most 524288 are allowed"),
        ({"name": "\udcff"}, "holds half of a character"),
        ({"score": float("nan")}, "must be a finite number"),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}, "nested deeper"),
        ({"content": b"bytes"}, "key 'data.content'"),
    ],
)
def test_one_that_may_not_be_sent_becomes_a_refusal_that_says_why(data: dict[str, object], words: str) -> None:
    sent = Response.from_json(payload_of(ok(data)))
    assert (sent.verb, sent.status, sent.transaction, sent.data) == ("people_list", "error", "t", {})
    assert sent.error is not None
    assert sent.error.startswith("the answer cannot be sent (response: ")
    assert words in sent.error


@given(verb=st.text(st.characters(), max_size=100), error=st.text(st.characters(), max_size=2000))
def test_any_refusal_is_one_line_that_the_contract_takes(verb: str, error: str) -> None:
    response = refusal(verb, error)
    assert Response.from_json(response.to_json()) == response
    assert response.error is not None
    assert response.error.isprintable()
