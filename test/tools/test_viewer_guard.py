"""Who may have the page."""

import pytest

from facemesh_ros.tools.viewer.guard import Guard, is_loopback, is_own_origin

HERE = ["127.0.0.1", "127.0.0.1:8478", "localhost", "LOCALHOST:80", "[::1]:8478", "[::1]", "127.0.0.2:8478"]
ELSEWHERE = [
    "",
    "example.org",
    "example.org:8478",
    "127.0.0.1.example.org",
    "127.0.0.1:x",
    "0.0.0.0:8478",
    "localhost.",
]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_this_machine_no_token_is_asked_for(host):
    assert is_loopback(host)
    assert Guard.of(host).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "robot.local", ""])
def test_for_any_other_address_there_is_a_token_anew_each_time(host):
    tokens = {Guard.of(host).token for _ in range(3)}
    assert len(tokens) == 3 and min(map(len, tokens)) >= 32


@pytest.mark.parametrize("host", HERE)
def test_without_a_token_a_request_to_this_machine_is_let_in(host):
    assert Guard(None).refusal(host, []) is None


@pytest.mark.parametrize("host", ELSEWHERE)
def test_without_a_token_a_request_by_another_name_is_refused(host):
    assert "open the address as printed" in Guard(None).refusal(host, ["any"])


@pytest.mark.parametrize("host", [*HERE, *ELSEWHERE])
@pytest.mark.parametrize("offered", [[], [""], ["secre"], ["secrets"], ["SECRET"], ["\ud800"], ["é"]])
def test_with_a_token_nothing_else_lets_in(host, offered):
    assert "token" in Guard("secret").refusal(host, offered)


@pytest.mark.parametrize("offered", [["secret"], ["wrong", "secret"]])
def test_the_token_lets_in_by_any_name(offered):
    assert Guard("secret").refusal("robot:8478", offered) is None


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_socket_of_the_own_page_is_let_in(scheme):
    assert is_own_origin({"Host": "Robot:8478", "Origin": f"{scheme}://robot:8478"})


@pytest.mark.parametrize(
    "origin", [None, "", "null", "http://", "http://evil.example", "http://robot", "http://robot:8479", "robot:8478"]
)
def test_a_socket_of_another_page_or_of_none_is_refused(origin):
    headers = {"Host": "robot:8478"} | ({} if origin is None else {"Origin": origin})
    assert not is_own_origin(headers)


def test_an_origin_equal_to_an_empty_host_is_refused():
    assert not is_own_origin({"Origin": "http://"})
