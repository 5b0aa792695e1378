# SPDX-License-Identifier: Apache-2.0
"""The program: parse, run, and the one error handler."""

from __future__ import annotations

import _signal
import os
import sys

from pypod.errors import EXIT_ENGINE, PypodError


def main(argv: list[str] | None = None) -> None:
    """Run a command line and end the process with its exit code.

    os._exit: tearing the interpreter down costs 3 ms and frees what the kernel frees anyway.
    """
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        _fill_standard_streams()
    # A caller may ignore it (`trap '' CHLD`), and the kernel then forgets how our children ended.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    # Names and paths are bytes: what came in by argv must be able to go out.
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    code = run(sys.argv[1:] if argv is None else argv)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pass
    except OSError as error:
        _report(f"Error: writing to standard output: {error.strerror}\n")
        code = code or EXIT_ENGINE
    os._exit(code)


def run(argv: list[str]) -> int:
    """Run a command line; return its exit code. Errors are one line on stderr."""
    from pypod.cli import parse
    from pypod.kernel import log
    from pypod.output.columns import harmless

    args = None
    try:
        args = parse.parse(argv)
        if args.log_level:
            try:
                log.set_level(args.log_level)
            except ValueError:
                raise PypodError(
                    f'log level "{args.log_level}" is not supported', hint=" ".join(log.LEVELS)
                ) from None
        if args.registries_conf:
            os.environ["CONTAINERS_REGISTRIES_CONF"] = args.registries_conf
        module, _, function = args.handler.partition(":")
        __import__(module)
        code: int = getattr(sys.modules[module], function)(args)
        return code
    except parse.Help as wanted:
        from pypod.cli.typer_app import show_help

        show_help(wanted.words, to_stderr=bool(wanted.missing))
        if not wanted.missing:
            return 0
        _report(f"Error: {wanted.missing}\n")
        return EXIT_ENGINE
    except PypodError as error:
        from pypod.cli import wrong

        hint = wrong.cure(error, args)
        _report(f"Error: {harmless(error.message)}\n" + (f"Hint: {hint}\n" if hint else ""))
        return error.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        if log.debugging():
            raise
        from pypod.cli import wrong

        _report(wrong.unforeseen(error))
        return EXIT_ENGINE


def _fill_standard_streams() -> None:
    """Put /dev/null on 0, 1 and 2 where the caller closed them, or a record would open there."""
    while (fd := os.open("/dev/null", os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    if sys.stdout is None:
        sys.stdout = open("/dev/null", "w")


def _report(text: str) -> None:
    try:
        os.write(2, text.encode("utf-8", "surrogateescape"))
    except OSError:
        pass


if __name__ == "__main__":
    main()
