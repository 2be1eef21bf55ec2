"""No query is put together while the program runs: SQL that has parts is made of constants when it is loaded.

What bandit only suspects (B608), said exactly: a file that builds SQL inside a function is listed here with its reason.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("controller/voicegateway_controller", "shared/voicegateway_shared", "worker_shim/voicegateway")
_SQL = re.compile(r"\b(SELECT\b.+\bFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM)\b", re.DOTALL)
LISTED = {
    "controller/voicegateway_controller/declared/store.py": "the table's name, a constant of each kind of set",
    "controller/voicegateway_controller/exports/lines.py": "columns by grain, each one of a fixed table",
}


def _texts(node: ast.AST) -> str:
    return " x ".join(
        each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def _is_built(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        return isinstance(node.left, ast.Constant | ast.JoinedStr) or isinstance(node.right, ast.Constant)
    is_format = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"
    return is_format and isinstance(node.func.value, ast.Constant)  # type: ignore[attr-defined]  # is_format says so


def _built_in(tree: ast.Module) -> list[int]:
    lines = []
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            lines += [
                node.lineno
                for node in ast.walk(function)
                if isinstance(node, ast.expr) and _is_built(node) and _SQL.search(_texts(node))
            ]
    return sorted(set(lines))


def test_no_query_is_put_together_at_run_time() -> None:
    found = {
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if _built_in(ast.parse(path.read_text()))
    }

    assert found == set(LISTED)


def test_one_that_is_put_together_would_be_found() -> None:
    bad = ast.parse('def find(name):\n    return run(f"SELECT a FROM b WHERE c = {name}")\n')
    good = ast.parse('COLUMNS = "a"\nFIND = f"SELECT {COLUMNS} FROM b WHERE c = $1"\n')

    assert (_built_in(bad), _built_in(good)) == ([2], [])
