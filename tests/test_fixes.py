"""What to do about a problem is said in the imperative: every fix begins with a verb.

The texts are found in the source: wherever something is called that has a parameter or a field `fix`, and behind each
"Fix: " of a message. So a new one is tested without being listed here; only a new verb is.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import codex_transform

PACKAGE = Path(codex_transform.__file__).parent
VERBS = re.compile(
    r"(add|ask|begin|change|check|choose|close|correct|delete|fix|give|install|leave|make|move|name|percent-encode|put"
    r"|remove|report|run|save|see|send|set|start|stop|try|turn|unset|update|use|wait|write)\b",
    re.IGNORECASE,
)
TREES = {path.relative_to(PACKAGE): ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


class Fix(NamedTuple):
    """How a fix begins, and where it is passed on."""

    where: str
    beginning: str


def parameters_of(node: ast.AST) -> list[str]:
    """Return what a function or a class is called with, by position."""
    if isinstance(node, ast.FunctionDef):
        return [argument.arg for argument in node.args.args if argument.arg != "self"]
    if isinstance(node, ast.ClassDef):
        made = [line for line in node.body if isinstance(line, ast.FunctionDef) and line.name == "__init__"]
        fields = [line.target for line in node.body if isinstance(line, ast.AnnAssign)]
        return parameters_of(made[0]) if made else [field.id for field in fields if isinstance(field, ast.Name)]
    return []


POSITIONS = {
    node.name: parameters.index("fix")
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and "fix" in (parameters := parameters_of(node))
}
"""Where in its call the fix is, for everything that takes one."""


def assigned(name: str, nodes: Iterable[ast.AST]) -> Iterator[ast.expr]:
    """Yield the values that a name is given."""
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=True))
            else:
                pairs = [(each, value) for each in (target.elts if isinstance(target, ast.Tuple) else [target])]
            yield from (value for target, value in pairs if isinstance(target, ast.Name) and target.id == name)


def everything(module: ast.Module) -> Iterator[ast.stmt]:
    """Yield what a module defines, then what all others do."""
    for tree in (module, *TREES.values()):
        yield from tree.body


def beginnings(node: ast.AST, scope: ast.AST, module: ast.Module) -> Iterator[str]:
    """Yield the texts that an expression may begin with, none if it is another fix that is passed on."""
    match node:
        case ast.Constant(str(text)):
            yield text
        case ast.JoinedStr([first, *_]) | ast.FormattedValue(first) | ast.BinOp(left=first):
            yield from beginnings(first, scope, module)
        case ast.IfExp(body=first, orelse=second) | ast.BoolOp(values=[first, second]):
            yield from beginnings(first, scope, module)
            yield from beginnings(second, scope, module)
        case ast.Attribute(attr="fix") | ast.Call(ast.Attribute(attr="partition"), [ast.Constant(" Fix: ")]):
            return
        case ast.Call(ast.Name("problem_and_fix")):
            return
        case ast.Call(ast.Attribute(ast.Name(table), "get"), [_, default]):
            found = next(assigned(table, everything(module)))
            for each in [*(found.values if isinstance(found, ast.Dict) else ()), default]:
                yield from beginnings(each, scope, module)
        case ast.Call(ast.Name("sentence"), [text]):
            yield from beginnings(text, scope, module)
        case ast.Call(ast.Name(name) | ast.Attribute(attr=name)):
            function = next(
                each for each in everything(module) if isinstance(each, ast.FunctionDef) and each.name == name
            )
            for line in ast.walk(function):
                if isinstance(line, ast.Return) and line.value:
                    yield from beginnings(line.value, function, module)
        case ast.Name("fix") if "fix" in parameters_of(scope):
            return
        case ast.Name(name):
            values = [*assigned(name, ast.walk(scope))] or [*assigned(name, everything(module))][:1]
            assert values, f"nothing tells what {name} is: {ast.unparse(scope)}"
            for value in values:
                yield from beginnings(value, scope, module)
        case _:
            raise AssertionError(f"nothing tells how this begins: {ast.unparse(node)}")


def passed() -> Iterator[Fix]:
    """Yield every fix that a call is given."""
    for path, module in TREES.items():
        functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
        for scope in [*functions, *(line for line in module.body if isinstance(line, ast.Assign | ast.AnnAssign))]:
            for call in ast.walk(scope):
                match call:
                    case ast.Call(ast.Name(name) | ast.Attribute(ast.Name("self"), name)) if name in POSITIONS:
                        named = [each.value for each in call.keywords if each.arg == "fix"]
                        for given in [*named, *call.args[POSITIONS[name] :]][:1]:
                            for text in beginnings(given, scope, module):
                                yield Fix(f"{path}:{call.lineno}", text)


def written() -> Iterator[Fix]:
    """Yield every fix within a message."""
    for path, module in TREES.items():
        for node in ast.walk(module):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for text in re.findall(r"\bFix: ([^%].*)", node.value):
                    yield Fix(f"{path}:{node.lineno}", text)


def test_every_fix_begins_with_a_verb() -> None:
    found = {*passed(), *written()}
    assert {"doctor/client.py", "probe/verdict.py", "settings/options.py"} <= {fix.where.split(":")[0] for fix in found}
    wrong = sorted(fix for fix in found if fix.beginning and not VERBS.match(fix.beginning))
    assert not wrong, "\n".join(map(str, wrong))
