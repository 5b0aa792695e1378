# SPDX-License-Identifier: Apache-2.0
"""OpenPGP signatures: made by the user's gpg, verified by gpgv with a keyring of the policy's keys.

In verifying no agent, no trust database, no key of the user's has a say: gpgv(1) believes exactly
the keyring that it is given. Its status lines are counted, for one good answer beside a bad one is
a bad one.
"""

from __future__ import annotations

import binascii
import os
import resource
import shutil
import signal
import subprocess
import tempfile

from pypod.errors import IntegrityError, PypodError

_BEGIN, _END = b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"-----END PGP PUBLIC KEY BLOCK-----"
_SECONDS = 60
_CONTENT_MOST = 1 << 20
"""Bytes of a document that is signed."""
_BAD = ("BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NO_PUBKEY", "FAILURE", "NODATA")
_SEARCH = "/usr/bin:/bin:/usr/local/bin"


def find_gpgv() -> str:
    """Return the program. Raises PypodError where there is none."""
    found = shutil.which("gpgv", path=_SEARCH)
    if found is None:
        raise PypodError(
            "the policy wants OpenPGP signatures and there is no gpgv to verify them",
            hint="Debian: apt install gpgv",
        )
    return found


def keyring(keys: list[bytes]) -> bytes:
    """Return the keys as one binary keyring: armored ones are unpacked. Raises IntegrityError."""
    ring = b""
    for key in keys:
        if _BEGIN not in key:
            ring += key
            continue
        for block in key.split(_BEGIN)[1:]:
            ring += _unpacked(block.partition(_END)[0])
    return ring


def _unpacked(block: bytes) -> bytes:
    """Return what an armored block holds (RFC 4880, 6.2): headers, an empty line, base64."""
    lines = [line.strip() for line in block.splitlines()[1:]]
    body = lines[lines.index(b"") + 1 :] if b"" in lines else lines
    text = b"".join(line for line in body if not line.startswith(b"="))  # less the checksum
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise IntegrityError("a key of the policy is not OpenPGP") from None


def verify(signature: bytes, ring: bytes) -> bytes:
    """Return what was signed, by one of the keys of a keyring. Raises IntegrityError."""
    program = find_gpgv()
    with tempfile.TemporaryDirectory(prefix="pypod-gpgv-") as where:
        paths = {name: f"{where}/{name}" for name in ("keys.gpg", "signature", "content")}
        for name, data in (("keys.gpg", ring), ("signature", signature)):
            with open(paths[name], "wb") as file:
                file.write(data)
        words = [program, "--homedir", where, "--status-fd", "1", "--keyring", paths["keys.gpg"]]
        try:
            with subprocess.Popen(
                [*words, "--output", paths["content"], paths["signature"]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": _SEARCH, "LC_ALL": "C", "HOME": where},
            ) as child:
                status = _status(child)
        except (OSError, subprocess.TimeoutExpired):
            raise PypodError(f"{program} cannot be run or does not end") from None
        words = [line.split()[1] for line in status.splitlines() if line.startswith("[GNUPG:] ")]
        _judge(words, child.returncode)
        return _content(paths["content"])


def _status(child: subprocess.Popen[bytes]) -> str:
    """Return what gpgv says, and keep what it writes small: a stranger's kilobyte may be packed so
    that it becomes gigabytes, which gpgv writes before it looks at the signature.
    """
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (2 * _CONTENT_MOST, 2 * _CONTENT_MOST))
    try:
        return child.communicate(timeout=_SECONDS)[0].decode("ascii", "replace")
    except BaseException:
        child.kill()
        raise


def exported(key: str) -> bytes:
    """Return a public key of the user's gpg. Raises PypodError."""
    program = shutil.which("gpg", path=_SEARCH) or "gpg"
    words = [program, "--batch", "--no-tty", "--quiet", "--export", key]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise PypodError(f"{program} cannot be run: {error.strerror}") from None
    return done.stdout


def sign(content: bytes, key: str, passphrase: bytes | None) -> bytes:
    """Return an OpenPGP message with the content in it, signed by a key of the user's gpg.

    Without a passphrase the agent asks for it. Raises PypodError.
    """
    program = shutil.which("gpg", path=_SEARCH)
    if program is None:
        raise PypodError("--sign-by: there is no gpg", hint="Debian: apt install gpg gpg-agent")
    words = [program, "--batch", "--no-tty", "--quiet", "--local-user", key]
    given, give = os.pipe()
    try:
        # Its passphrase comes through a pipe: argv and environment can be seen by others.
        if passphrase is not None:
            words += ["--pinentry-mode", "loopback", "--passphrase-fd", str(given)]
            os.write(give, passphrase + b"\n")
        os.close(give)
        give = -1
        done = subprocess.run(
            [*words, "--sign"],
            input=content,
            capture_output=True,
            pass_fds=(given,),
            check=False,
        )
    except OSError as error:
        raise PypodError(f"{program} cannot be run: {error.strerror}") from None
    finally:
        os.close(given)
        if give >= 0:
            os.close(give)
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        shown = ascii(said[-1] if said else "no signature came")[1:-1][:200]
        raise PypodError(f"--sign-by {key}: {shown}")
    return done.stdout


def _judge(words: list[str], code: int) -> None:
    if code == -signal.SIGXFSZ:
        raise IntegrityError("what it signs is too long")
    if "NO_PUBKEY" in words or ("ERRSIG" in words and "BADSIG" not in words):
        raise IntegrityError("it was made by another key")
    if "EXPKEYSIG" in words or "REVKEYSIG" in words:
        raise IntegrityError("its key has expired or was revoked")
    bad = [word for word in words if word in _BAD]
    once = all(words.count(word) == 1 for word in ("GOODSIG", "VALIDSIG", "PLAINTEXT"))
    if code or bad or not once:
        raise IntegrityError("it is damaged" if code or bad else "it is not one signature")


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > _CONTENT_MOST:
                raise IntegrityError("what it signs is too long")
            return file.read()
    except OSError:
        raise IntegrityError("it holds no document") from None
