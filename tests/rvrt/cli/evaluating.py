"""rvrt-eval, run within the test's own process."""

from click.testing import CliRunner

from rvrt.cli.evaluate import main


def rvrt_eval(*arguments):
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done
