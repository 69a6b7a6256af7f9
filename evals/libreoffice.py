"""LibreOffice accepts or refuses every revision of a document, and saves it as Word again.

`/usr/bin/python3 evals/libreoffice.py IN.docx OUT.docx [AcceptAllTrackedChanges|RejectAllTrackedChanges]`: run by the
Python that has Debian's python3-uno, in a LibreOffice of its own that ends with it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException

WAIT = 60
"""Seconds LibreOffice may take to start."""


def _value(name: str, value: object) -> Any:
    made = PropertyValue()
    made.Name, made.Value = name, value
    return made


def _connected(pipe: str) -> Any:
    """The service manager of the LibreOffice that listens on a pipe."""
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    for _ in range(WAIT * 5):
        try:
            return resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        except NoConnectException:
            time.sleep(0.2)
    raise SystemExit("LibreOffice ne répond pas.")


def main() -> None:
    source, target, order = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), "".join(sys.argv[3:])
    with tempfile.TemporaryDirectory() as profile:
        pipe = Path(profile).name
        command = ["soffice", "--headless", "--norestore", f"-env:UserInstallation=file://{profile}"]
        office = subprocess.Popen([*command, f"--accept=pipe,name={pipe};urp;"])
        try:
            context = _connected(pipe)
            create = context.ServiceManager.createInstanceWithContext
            desktop = create("com.sun.star.frame.Desktop", context)
            document = desktop.loadComponentFromURL(source.as_uri(), "_blank", 0, (_value("Hidden", True),))
            if order:
                dispatcher = create("com.sun.star.frame.DispatchHelper", context)
                dispatcher.executeDispatch(document.CurrentController.Frame, f".uno:{order}", "", 0, ())
            document.storeToURL(target.as_uri(), (_value("FilterName", "MS Word 2007 XML"),))
            document.close(True)
            desktop.terminate()
            office.wait(timeout=WAIT)
        finally:
            office.kill()


if __name__ == "__main__":
    main()
