"""The process of one contender: made and warmed up once, then measured each time it is asked.

    python -m kit.contender QUESTION TABLE CONTENDER SIZE FOLDER WARM

Lines of JSON go out on the real standard output; what libraries print goes to standard error.
"""

import importlib
import json
import os
import sys
import warnings
from pathlib import Path

from kit.machine import peak_mb
from kit.question import Setting


def said(error: BaseException) -> str:
    """Why a contender has no figure, in one line."""
    if isinstance(error, ModuleNotFoundError):
        return f"not installed: {error.name}"
    text = str(error).strip().split("\n")[0]
    return f"failed: {type(error).__name__}{': ' + text if text else ''}"


def main() -> None:
    question, table, name, size, folder, warm = sys.argv[1:]
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")

    def tell(**found: object) -> None:
        print(json.dumps(found), file=channel, flush=True)

    try:
        contender = importlib.import_module(question).TABLES[table].contenders[name]
        measure = contender.make(Setting(size, Path(folder)))
        if warm == "warm":
            measure()
        tell(ready=True)
        for _ in sys.stdin:
            found = measure()
            found = dict(found) if isinstance(found, dict) else {"figure": found}
            figure, peak = float(found.pop("figure")), found.pop("peak_mb", None)
            tell(figure=figure, facts=found, peak_mb=peak or peak_mb())
    except Exception as error:
        tell(error=said(error))


if __name__ == "__main__":
    main()
