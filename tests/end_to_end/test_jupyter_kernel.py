"""Jupyter's own test of kernels: "Python (snakepit)" passes all that the plain kernel passes."""

import jupyter_kernel_test
import pytest

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("installed_kernel"),
]

DISPLAY = "from IPython.display import *; display"


class TestPlain(jupyter_kernel_test.KernelTests):  # type: ignore[misc]  # it ships no types
    """The kernel that sets the measure: each sample is proven by it."""

    kernel_name = "python3"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('oh', file=sys.stderr)"
    completion_samples = (
        {"text": "zi", "matches": {"zip"}},
        {"text": "import colle", "matches": {"collections"}},
        {"text": "x = 1\n''.isal", "matches": {"isalnum", "isalpha"}},
        {"text": "%%writef", "matches": {"%%writefile"}},
        {"text": "%lsma", "matches": {"%lsmagic"}},
        {"text": "nothing_begins_so", "matches": set()},
    )
    complete_code_samples = (
        "1",
        "print('hello')",
        "def f(x):\n  return x\n\n",
        "%lsmagic",
        "await x",
    )
    incomplete_code_samples = (
        "print('''hello",
        "def f(x):\n  x",
        "%%time\nx",
        "if True:",
        "x = (1,",
    )
    invalid_code_samples = ("import = 7q", "1 +* 2")
    code_page_something = "zip?"
    code_generate_error = "raise ValueError('no')"
    code_execute_result = (
        {"code": "6*7", "result": "42"},
        {"code": "import asyncio; await asyncio.sleep(0, 'awaited')", "result": "'awaited'"},
        {"code": "from IPython.display import HTML; HTML('a')", "mime": "text/html", "result": "a"},
    )
    code_display_data = (
        {"code": f"{DISPLAY}(HTML('<b>a</b>'))", "mime": "text/html"},
        {"code": f"{DISPLAY}(Math('x'))", "mime": "text/latex"},
        {"code": f"{DISPLAY}(JSON([1]))", "mime": "application/json"},
        {"code": f"{DISPLAY}(Markdown('*a*'))", "mime": "text/markdown"},
        {"code": f"{DISPLAY}(SVG('<svg></svg>'))", "mime": "image/svg+xml"},
        {"code": f"{DISPLAY}(Javascript('0'))", "mime": "application/javascript"},
    )
    code_history_pattern = "6?7*"
    # Not "range": of the running session IPython tells 0 as its number, which the test refuses.
    supported_history_operations = ("tail", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class TestOurs(TestPlain):
    """Its cells run in a worker."""

    kernel_name = "snakepit"


class TestPlainWelcome(jupyter_kernel_test.IopubWelcomeTests):  # type: ignore[misc]
    support_iopub_welcome = True
    kernel_name = "python3"


class TestOurWelcome(TestPlainWelcome):
    kernel_name = "snakepit"
