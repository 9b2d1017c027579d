"""Keys, addresses and paths in texts: found, replaced, and nothing else is."""

from __future__ import annotations

import pytest
from doubling import assert_linear

from qreal_tasks.results import reasons
from qreal_tasks.samples import NO_INPUT_SIZE
from qreal_tasks.text.redaction import find_private, redact

PRIVATE = {
    "key of OpenAI": ("Incorrect API key provided: sk-proj-abcdEFGH_1234.", "Incorrect API key provided: <key>."),
    "key of the hub": ("401 for hf_AbCdEfGhIjKlMnOp", "401 for <key>"),
    "key of Google": ("API key AIzaSyA1234567890abcdefghijk expired", "API key <key> expired"),
    "key of GitHub": ("ghp_0123456789abcdef", "<key>"),
    "key of Amazon": ("AKIAIOSFODNN7EXAMPLE", "<key>"),
    "key of Groq": ("gsk_abcdefgh12345678", "<key>"),
    "key of xAI": ("xai-AbC0123456789dEf", "<key>"),
    "key of GitLab": ("glpat-Ab_1-cd_2", "<key>"),
    "a header": ("sent Authorization: Bearer abcDEF0123456789xyz", "sent Authorization: <key>"),
    "a header whose key has no digit": ("Authorization: Bearer abcdefghijklmnop", "Authorization: <key>"),
    "a key as OpenAI repeats it": ("API key provided: sk-abcd*******wxyz.", "API key provided: <key>."),
    "an account": (
        "Rate limit for gpt-4o in organization org-AbCdEf1234567890",
        "Rate limit for gpt-4o in organization <key>",
    ),
    "a named key": ("api_key=0a1b2c3d4e5f", "<key>"),
    "a named password": ("password: 'hunter2hunter'", "<key>'"),
    "a web token": ("eyJhbGciOiJ9.eyJzdWIiOiJ9.c2ln", "<key>"),
    "an address": ("POST http://gpu7:8000/v1/chat failed", "POST <address> failed"),
    "host and port": (
        "Cannot connect to host gpu7.lab:8000 ssl:default",
        "Cannot connect to host <address> ssl:default",
    ),
    "inner address": ("no route to 192.168.3.14", "no route to <address>"),
    "loopback": ("refused by 127.0.0.1", "refused by <address>"),
    "inner name": ("db.cluster.internal is down", "<address> is down"),
    "IPv6 with a port": ("[fe80::1]:8000", "<address>"),
    "host of a pool": (
        "HTTPSConnectionPool(host='gpu7.lab', port=8000)",
        "HTTPSConnectionPool(host='<address>', port=8000)",
    ),
    "IPv6 of a network card": ("[fe80::1%eth0]:8000", "<address>"),
    "home folder": ("No such file: '/home/ann/models/x.safetensors'", "No such file: '<path>'"),
    "home folder of a Mac": ("in /Users/ann/q, line 3", "in <path>, line 3"),
    "short home folder": ("~/.cache/huggingface", "<path>"),
    "relative path": ("../secret/x.json is missing", "<path> is missing"),
    "path of Windows": (r"C:\Users\ann\x.txt", "<path>"),
    "share of Windows": (r"\\server\share", "<path>"),
    "share of Windows in JSON": (r"\\\\server\\share", r"\\<path>"),
    "a file's address": ("file:///etc/passwd", "<address>"),
    "a password that is a word": ("password=hunter", "<key>"),
    "a password in JSON": ('{"password": "hunter"}', '{"<key>"}'),
    "a header of Label Studio": ("Authorization: Token abcdefgh", "Authorization: <key>"),
    "public IP address with a port": ("203.0.113.9:443 refused", "<address> refused"),
    "public IP address that was asked": ("no route to 203.0.113.9", "no route to <address>"),
    "inner address at the end": ("it is 10.1.2.3.", "it is <address>."),
    "address of this machine's network": ("169.254.7.7", "<address>"),
    "host without a port": ("Cannot connect to host gpu7", "Cannot connect to host <address>"),
    "host that no server knows": (
        "Failed to resolve 'gpu7.lab' ([Errno -2])",
        "Failed to resolve '<address>' ([Errno -2])",
    ),
    "host behind a redirect": ("the server redirects to llm.lab", "the server redirects to <address>"),
    "inner name in capitals": ("DB7.CLUSTER.LOCAL is down", "<address> is down"),
    "name of this machine": ("localhost refused", "<address> refused"),
    "path with blanks, in quotes": ("[Errno 2] '/data/my models/x y.bin' gone", "[Errno 2] '<path>' gone"),
    "home folder with a blank": ("in /Users/Ann Lee/models/x.bin", "in <path>"),
    "home folder of Windows with a blank": (r"in C:\Users\Ann Lee\x.bin", "in <path>"),
    "home folder of Windows, with slashes": ("C:/Users/ann/m", "<path>"),
    "home folder behind an option": ("gcc -I/home/x/include", "gcc -I<path>"),
    "folder behind an option": ("gcc -I/opt/x/include", "gcc -I<path>"),
    "home folder of another": ("in ~ann/x", "in <path>"),
    "home folder and a word": ("/home/ann and more", "<path> and more"),
}
PLAIN = (
    "org/name",
    "org/name@v1.rc",
    "qwen:72b",
    "and/or, yes/no",
    "maximum context length is 8192 tokens: 9000 were asked for",
    "token limit: 4096",
    "3.5 of 10.1",
    "rate limit: 60 requests/min",
    "task-specific sk model",
    "<label>man</label>",
    "timed out after 12:30:45 at 2024-01-01T12:30:45Z",
    "prompt_tokens:1234, completion_tokens:567",
    "error code:400 at line:80 of engine.loop.py:123, cuda:10, seed:12345",
    "Token: 128000000 is above the limit",
    "basic understanding-of-2-things-here",
    "org-wide limit",
    "/no_think",
    "[/INST] and </s>",
    "/v1/chat/completions",
    "POST /v1/models failed",
    "/api/tasks answers",
    "version 10.2.3.4",
    "TensorRT 10.0.1.6, cudnn 9.1.0.70",
    "nvidia-cudnn==10.0.1.6",
    "lmms-eval 0.5.0.1",
    "see huggingface.co/docs, or api.openai.com",
    "host name, host 3 of 4",
    "width:512, ratio 16:9, 3.5:1024",
    "password: incorrect, token: unexpected, password=required",
    "max_pixels:1003520",
    "20/30, 5 images/s",
    "at home, in local.",
    "user@example.com",
    "xai-grok-2-vision, rk-3588-board1, r8-engine12",
    "the arm is wrong.Local shadows too.Internal light",
    r"«\\boxed{Yes} \\frac{1}{2}»",
    "x1:100,y1:200,x2:300,y2:400, bbox_2d:1000, conf:9999, version:2024",
    "y:1080 x:1920, image_size:1024, max_len:8192, length:32768, ISO:3200",
    "gpt-4o@0123456789ab",
)


@pytest.mark.parametrize(("text", "clean"), PRIVATE.values(), ids=PRIVATE)
def test_private_parts_are_replaced(text: str, clean: str) -> None:
    assert find_private(text) is not None
    assert redact(text) == clean
    assert redact(clean) == clean
    assert find_private(clean) is None


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_stay(text: str) -> None:
    assert (find_private(text), redact(text)) == (None, text)


OWN = {
    "a key of the API": ("OPENAI_API_KEY", "No-shape-at-all", "bad No-shape-at-all!", "bad <key>!"),
    "a token": ("HF_TOKEN", "No-shape-at-all", "bad No-shape-at-all!", "bad <key>!"),
    "a key of anyone": ("MY_SERVERS_KEY", "No-shape-at-all", "bad No-shape-at-all!", "bad <key>!"),
    "a key in an address": ("OPENAI_API_KEY", "No shape/at+all", "?k=No%20shape%2Fat%2Ball&x", "?k=<key>&x"),
    "a key in base64": ("OPENAI_API_KEY", "No-shape-at-all", "x Tm8tc2hhcGUtYXQtYWxs x", "x <key> x"),
    "blanks around a key": ("OPENAI_API_KEY", " No-shape-at-all\n", "bad No-shape-at-all!", "bad <key>!"),
    "a placeholder": ("OPENAI_API_KEY", "EMPTY", "it is EMPTY", "it is EMPTY"),
    "a word": ("WANDB_API_KEY", "disabled", "it is disabled", "it is disabled"),
    "a name": ("PARTITION_KEY", "image_id", "image_id is missing", "image_id is missing"),
    "a word with a capital": ("APP_SECRET", "Production", "Production line", "Production line"),
    "a word of capitals": ("APP_SECRET", "DEVELOPMENT", "DEVELOPMENT", "DEVELOPMENT"),
    "a mark of a chat template": ("EOS_TOKEN", "<|im_end|>", "Yes<|im_end|>", "Yes<|im_end|>"),
    "digits": ("DB_PASSWORD", "12345678", "it is 12345678.", "it is <key>."),
    "digits within a number": ("DB_PASSWORD", "33333333", "IoU 0.3333333333", "IoU 0.3333333333"),
    "a key as JSON has it": ("DB_PASSWORD", 'my "No" shape', r'{"a": "my \"No\" shape"}', '{"a": "<key>"}'),
    "a password of a proxy": ("HTTPS_PROXY", "http://me:No-shape%2Fat-all@proxy:80", "No-shape/at-all", "<key>"),
    "the same as it is written": ("https_proxy", "http://me:No-shape%2Fat-all@proxy:80", "No-shape%2Fat-all", "<key>"),
    "a password that is a word": ("DATABASE_URL", "db://postgres:postgres@h/x", "postgres fails", "postgres fails"),
    "an address without one": ("OPENAI_BASE_URL", "https://h.example/v1", "h.example says", "h.example says"),
    "another variable": ("TOKENIZERS_PARALLELISM", "No-shape-at-all", "No-shape-at-all", "No-shape-at-all"),
    "the home folder": ("HOME", "/srv/people/Ann Lee", "in /srv/people/Ann Lee/m x", "in <path> x"),
    "the home folder itself": ("HOME", "/srv/people/Ann Lee", "of=/srv/people/Ann Lee", "of=<path>"),
    "a home folder that is none": ("HOME", "/", "and/or", "and/or"),
}


@pytest.mark.parametrize(("name", "value", "text", "clean"), OWN.values(), ids=OWN)
def test_what_this_program_holds_is_known(
    name: str, value: str, text: str, clean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert redact(text) == clean
    assert (find_private(text) is None) is (text == clean)
    assert find_private(clean) is None


@pytest.mark.slow
def test_replacing_takes_time_in_proportion_to_the_text() -> None:
    def texts(times: int) -> list[str]:
        found = ["/home/" + "a b " * times, "a." * times, "'/" + "x" * times, "/a" * times, "host " * times]
        return [*found, "1.1.1.1" * times, "x-" * times, "password='" * times, "C:\\Users\\" * times, "~" * times]

    assert_linear(lambda given: [redact(text) for text in given], texts(3_000), texts(6_000))


def test_the_projects_own_reasons_hold_nothing_private() -> None:
    own = [value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)]
    assert [text for text in [*own, NO_INPUT_SIZE] if find_private(text)] == []
