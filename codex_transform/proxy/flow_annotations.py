"""What people see of flows in mitmweb and the console, while it is running, and afterwards in files."""

from mitmproxy import ctx, flow

# Where `flow.metadata` has the comment that this addon wrote, so as to know it from one of the user's.
_COMMENT = "codex_comment"

# Where it says that bodies of the flow are not kept, and what a comment says of it.
_DROPPED = "codex_dropped"
_DROPPED_NOTE = "bodies dropped (codex_keep_mb)"


def has_interactive_view() -> bool:
    """Return True in mitmweb and in the console, where a person sees flows as they come."""
    # A view without flows counts as false.
    return ctx.master.addons.get("view") is not None


def flows_are_inspected() -> bool:
    """Return whether somebody may look at a flow after its end."""
    return bool(has_interactive_view() or ctx.options.save_stream_file or ctx.options.hardump)


def set_comment(annotated: flow.Flow, text: str) -> None:
    """Set a flow's comment, unless its user has written one."""
    if annotated.metadata.get(_DROPPED):
        text = f"{text} · {_DROPPED_NOTE}"
    if annotated.comment in ("", annotated.metadata.get(_COMMENT)):
        annotated.comment = annotated.metadata[_COMMENT] = text


def mark_bodies_dropped(annotated: flow.Flow) -> None:
    """Have the comment of a flow say, from now on, that its bodies were dropped."""
    if not annotated.metadata.get(_DROPPED):
        annotated.metadata[_DROPPED] = True
        set_comment(annotated, annotated.metadata.get(_COMMENT, ""))
