"""The process that `renderer` starts: a line of JSON on stdin is a chart, a line on stdout its SVG text or an error."""

import json
import os
import signal
import sys


def serve() -> None:
    """Draws charts until stdin ends."""
    import vl_convert

    # Ctrl-C reaches all processes of a terminal; this one ends with its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What native code prints is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            answer = {"svg": vl_convert.vegalite_to_svg(json.loads(line), vl_version="5.20")}
        except Exception as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
