"""Defines the commands, their arguments, and the function that runs each command."""

from __future__ import annotations

import argparse
from pathlib import Path

from faceswap.cli import swapping, tasks
from faceswap.cli.batch import batch
from faceswap.cli.verifying import verify
from faceswap.jobs import PIXEL_BOOSTS
from faceswap.settings import Settings
from faceswap.version import VERSION


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="faceswap", description="Consented face swap.")
    made.add_argument("--version", action="version", version=f"faceswap {VERSION}")
    made.add_argument("--data-dir", type=Path, metavar="DIR", help="instead of FACESWAP_DATA_DIR")
    commands = made.add_subparsers(dest="command", required=True)
    _add_serve(commands.add_parser("serve", help="start the app"))
    _add_swap(commands.add_parser("swap", help="swap a face into a picture or video"))
    _add_multi(
        commands.add_parser("multi", help="give several people of a picture or video a face of their own")
    )
    _add_batch(commands.add_parser("batch", help="swap several faces into several pictures and videos"))
    _add_preview(commands.add_parser("preview", help="swap one frame and write it as JPEG"))
    _add_faces(commands.add_parser("faces", help="list the faces of a picture or the people of a video"))
    _add_jobs(commands.add_parser("jobs", help="list tasks, newest first"))
    for name, run, words in (
        ("status", tasks.status, "show one task"),
        ("watch", tasks.watch, "follow a task until it is finished; it runs here when no app takes it"),
        ("result", tasks.result, "copy the result of a completed task to OUTPUT"),
        ("retry", swapping.retry, "queue a finished task again, with the same files and options"),
        ("cancel", tasks.cancel, "cancel a task"),
        ("delete", tasks.delete, "delete a task with its media; its receipt stays"),
        ("revoke", tasks.revoke, "revoke the consent to a task: it is deleted with its media"),
        ("receipt", tasks.receipt, "show what was done with which files, and who stated consent"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("id")
        command.set_defaults(run=run)
    _add_output(commands.choices["result"], required=True)
    _add_output(commands.choices["retry"], required=False)
    _add_consent(commands.choices["retry"])
    for name in ("watch", "retry"):
        commands.choices[name].add_argument("--quiet", action="store_true", help="show no progress")
    _add_verify(commands.add_parser("verify", help="tell who made a file, and whether it was changed since"))
    for name, command in commands.choices.items():
        if name != "serve":
            command.add_argument("--json", action="store_true", help="answer with one JSON object")
    return made


def _add_serve(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--port", type=int, dest="server_port", metavar="N", help="instead of GRADIO_SERVER_PORT"
    )
    command.add_argument(
        "--host", dest="server_name", metavar="ADDRESS", help="instead of GRADIO_SERVER_NAME"
    )
    command.set_defaults(run=_serve, json=False)


def _serve(given: argparse.Namespace, settings: Settings) -> int:
    # Gradio takes seconds to import, and no other command needs it.
    from faceswap.ui.serving import serve

    return serve(settings)


def _add_swap(command: argparse.ArgumentParser) -> None:
    _add_pair(command)
    _add_options(command)
    _add_output(command, required=True)
    _add_consent(command)
    command.add_argument("--quiet", action="store_true", help="show no progress")
    command.set_defaults(run=swapping.swap)


def _add_multi(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", type=Path, help="picture or video")
    command.add_argument(
        "--face",
        action="append",
        required=True,
        type=_face,
        metavar="ID=SOURCE",
        help="a face and the person who gets it, by the ID that `faces` prints; may be repeated",
    )
    _add_options(command)
    _add_output(command, required=True)
    _add_consent(command)
    command.add_argument("--quiet", action="store_true", help="show no progress")
    command.set_defaults(run=swapping.multi, many_faces=False, who="largest", who_at=None)


def _add_batch(command: argparse.ArgumentParser) -> None:
    for name, words in (
        ("--source", "pictures of the faces to put in, or folders of them"),
        ("--target", "pictures and videos to put them into, or folders of them"),
    ):
        command.add_argument(name, type=Path, nargs="+", required=True, metavar="PATH", help=words)
    command.add_argument(
        "--mode",
        choices=("each", "pairs"),
        default="each",
        help="each face into each target, or the first into the first and so on; default: each",
    )
    _add_who(command)
    _add_options(command)
    command.add_argument("-o", "--output", type=Path, required=True, help="a folder that exists")
    command.add_argument("--overwrite", action="store_true", help="replace files that exist in OUTPUT")
    _add_consent(command)
    command.set_defaults(run=batch)


def _add_preview(command: argparse.ArgumentParser) -> None:
    _add_pair(command)
    command.add_argument(
        "--at", type=float, metavar="SECONDS", help="position in a video; default: a frame near its middle"
    )
    _add_options(command)
    _add_output(command, required=True)
    _add_consent(command)
    command.set_defaults(run=swapping.preview)


def _add_faces(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", type=Path, help="picture or video")
    command.add_argument(
        "--pictures", type=Path, metavar="DIR", help="write a picture of each face to DIR, as ID.jpg"
    )
    command.set_defaults(run=swapping.faces)


def _add_jobs(command: argparse.ArgumentParser) -> None:
    command.add_argument("--live", action="store_true", help="only tasks that wait or run")
    command.add_argument("--limit", type=int, default=20)
    command.set_defaults(run=tasks.jobs)


def _add_verify(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=Path, help="a picture or video")
    command.add_argument(
        "--ca",
        type=Path,
        metavar="PEM",
        help="certificate of an installation that you trust (its signing/ca.pem)",
    )
    command.set_defaults(run=verify)


def _face(text: str) -> tuple[str, Path]:
    face, equals, source = text.partition("=")
    if not (equals and face and source):
        raise argparse.ArgumentTypeError("write it as face_0=me.jpg")
    return face, Path(source)


def _add_pair(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", type=Path, help="picture of the face to put in")
    command.add_argument("target", type=Path, help="picture or video to put it into")
    command.add_argument(
        "--photo",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="one more picture of the same person, or a clip; may be repeated",
    )
    _add_who(command)


def _add_who(command: argparse.ArgumentParser) -> None:
    command.add_argument("--many-faces", action="store_true", help="swap every face; the same as --who all")
    command.add_argument(
        "--who",
        default="largest",
        help="whose face is swapped: largest (the default), first, all, or the id of a face such as face_0",
    )
    command.add_argument("--who-at", metavar="TIME", help="the frame of a video in which --who counts faces")


def _add_output(command: argparse.ArgumentParser, *, required: bool) -> None:
    command.add_argument(
        "-o", "--output", type=Path, required=required, help="a file that does not exist yet"
    )
    command.add_argument("--overwrite", action="store_true", help="replace OUTPUT if it exists")


def _add_consent(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--consent", action="store_true", help="state that everyone shown in all files agreed; required"
    )


def _add_options(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say how to swap."""
    command.add_argument("--engine", choices=("auto", "mesh", "neural"), default="auto", help="default: auto")
    command.add_argument(
        "--model", default="", metavar="NAME", help="swap model of the neural engine, by the name of its file"
    )
    command.add_argument(
        "--pixel-boost",
        type=int,
        choices=(0, *PIXEL_BOOSTS),
        default=0,
        help="side in pixels at which the neural engine computes faces; default: 0, that of the model",
    )
    command.add_argument(
        "--swap-weight",
        type=float,
        default=1.0,
        metavar="0..1",
        help="neural engine: how much of the source the person has; default: 1",
    )
    command.add_argument(
        "--enhance", action="store_true", help="sharpen the face; needs the model of an enhancer"
    )
    command.add_argument(
        "--enhancer-blend",
        type=float,
        default=0.8,
        metavar="0..1",
        help="share of the enhancer's picture in the face; default: 0.8",
    )
    command.add_argument(
        "--enhancer-weight",
        type=float,
        default=0.5,
        metavar="0..1",
        help="for CodeFormer: 0 improves most, 1 changes least; default: 0.5",
    )
    command.add_argument(
        "--start",
        metavar="TIME",
        help="swap a video from here on: seconds, m:ss or h:mm:ss",
    )
    command.add_argument("--end", metavar="TIME", help="swap a video up to here; default: its end")
    command.add_argument(
        "--no-occlusion-mask", action="store_true", help="swap over hands, hair and glasses before the face"
    )
    command.add_argument("--mouth-mask", action="store_true", help="keep the target's own mouth")
    command.add_argument(
        "--quality", type=int, default=80, metavar="1..100", help="quality of a video; default: 80"
    )
    command.add_argument(
        "--encoder",
        choices=("libx264", "libx265", "libvpx-vp9"),
        default="libx264",
        help="codec of a video; default: libx264, which plays everywhere",
    )
    command.add_argument("--reduce-fps", action="store_true", help="at most 30 frames a second")
    command.add_argument(
        "--no-label",
        action="store_true",
        help="leave the visible label out; this is logged, and the other marks stay",
    )
