"""Child processes: started with a timeout, never outliving the runner, killed only by their own id."""

import os
import shlex
import subprocess
import sys


class Failed(Exception):
    """A check that did not hold. The message says what was expected and what was there."""


def note(text):
    print(f"    {text}", flush=True)


def spawn(args, env=None, **kwargs):
    """Starts a process that the kernel kills when this one dies."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, args)], env=env, **kwargs)


def run(args, env=None, timeout=60, check=True, stdin=None, status=None):
    """Runs to the end; gives (exit status, stdout and stderr together).

    With check, anything but exit status 0 (or the given one) is a failure. A timeout always is.
    """
    process = spawn(args, env, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        text = output.decode(errors="replace")
        raise Failed(f"not done after {timeout} s: {shlex.join(map(str, args))}\n{text[-2000:]}") from None
    except BaseException:
        process.kill()
        process.wait()
        raise
    text = output.decode(errors="replace")
    if check and process.returncode != (status or 0):
        raise Failed(f"exit status {process.returncode} of {shlex.join(map(str, args))[:1000]}\n{text[-2000:]}")
    return process.returncode, text


def python():
    """python3 of the system: python3-rados belongs to that one."""
    return "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable


def expect(condition, message):
    if not condition:
        raise Failed(message)
