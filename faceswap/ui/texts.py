"""Every sentence of the pages, in Chinese and English. Pure: no page, no clock.

Chinese is shown to browsers of any Chinese variant, English to all others. Errors are translated by their
code: the English sentence is the error's own message (see `errors.py`), the Chinese one is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from faceswap.consent import STATEMENT
from faceswap.errors import FaceSwapError, from_code
from faceswap.jobs import CANCELLED_MESSAGE, Job, RemoteStop, Status

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
HTML_LANG: dict[Language, str] = {"zh": "zh-CN", "en": "en"}


class Text(NamedTuple):
    zh: str
    en: str

    def of(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


def language_of(header: str | None) -> Language:
    """From an `Accept-Language` header or a language tag: what the browser names first decides."""
    return "zh" if (header or "").strip().lower().startswith("zh") else "en"


WORDS: dict[str, Text] = {
    # frame
    "brand": Text("换脸", "FaceSwap"),
    "nav": Text("页面", "Pages"),
    "nav_start": Text("首页", "Start"),
    "nav_video": Text("视频换脸", "Video"),
    "nav_image": Text("图片换脸", "Picture"),
    "nav_multi": Text("多人换脸", "Several faces"),
    "nav_tasks": Text("任务", "Tasks"),
    "nav_verify": Text("验证", "Verify"),
    "nav_diagnostics": Text("诊断", "Diagnostics"),
    "title_start": Text("换脸", "FaceSwap"),
    "title_video": Text("视频换脸", "Video face swap"),
    "title_image": Text("图片换脸", "Picture face swap"),
    "title_multi": Text("多人换脸", "Several faces"),
    "title_tasks": Text("任务记录", "Tasks"),
    "title_verify": Text("验证文件", "Verify a file"),
    "title_diagnostics": Text("诊断", "Diagnostics"),
    "title_receipt": Text("回执", "Receipt"),
    # start page
    "start_head": Text("换一张脸，任务始终在你手里", "Swap a face. Keep every task in hand."),
    "start_lead": Text(
        "上传一张人脸和一段视频，几步就能换好。任务在后台运行：随时看进度、随时取消，关掉网页也不会丢。",
        "Upload a face and a clip. Tasks run in the background: watch them, stop them at any time, close the "
        "page and lose nothing.",
    ),
    "start_button": Text("开始视频换脸", "Swap a video"),
    "start_image_button": Text("图片换脸", "Swap a picture"),
    "step_1": Text("选一张人脸", "Pick a face"),
    "step_1_why": Text(
        "正面、清晰、光线均匀的照片效果最好。", "A sharp, evenly lit photo from the front works best."
    ),
    "step_2": Text("选一段视频", "Pick a video"),
    "step_2_why": Text(
        "MP4、MOV、MKV、WebM 或 AVI；声音、帧率和时长保持不变。",
        "MP4, MOV, MKV, WebM or AVI. Sound, frame rate and length are kept.",
    ),
    "step_3": Text("开始，然后去忙别的", "Start, and go on"),
    "step_3_why": Text(
        "右下角的任务面板显示进度；完成后可播放、对比和下载。",
        "The panel at the bottom right shows the progress; then play, compare and download.",
    ),
    "start_private": Text(
        "素材和结果只保存在运行本程序的机器上，可随时在“任务”页删除。只用于已获本人同意的素材。",
        "Files and results stay on the machine that runs this app and can be deleted on the Tasks page. "
        "Only for people who agreed.",
    ),
    # swap form
    "lead_video": Text(
        "把照片里的脸换到视频里。任务在后台运行，提交后可以马上准备下一个。",
        "Put the face of a photo into a video. Tasks run in the background: submit one and prepare the next.",
    ),
    "lead_image": Text("把一张照片里的脸换到另一张照片里。", "Put the face of one photo into another photo."),
    "lead_multi": Text(
        "为画面中的每张脸分别选择替换的人脸；没有选择的脸保持原样。",
        "Choose a source for each face of a picture or video. Faces without one stay as they are.",
    ),
    "source": Text("人脸图片", "Face picture"),
    "target_video": Text("目标视频", "Target video"),
    "target_image": Text("目标图片", "Target picture"),
    "target_any": Text("目标图片或视频", "Target picture or video"),
    "faces_looking": Text("正在查找人脸……", "Looking for faces…"),
    "faces_hint": Text(
        "选择目标后，这里会列出其中的每张脸。", "The faces of the target appear here once you have chosen it."
    ),
    "faces_found": Text("找到 {count} 张脸", "{count} faces found"),
    "faces_why": Text(
        "把替换的人脸图片拖到对应的脸上，或点击选择。",
        "Drop a face picture on each face to swap, or choose one.",
    ),
    "face": Text("人脸 {number}", "Face {number}"),
    "face_at": Text("{time} 处", "at {time}"),
    "face_source": Text("用于人脸 {number} 的图片", "Picture for face {number}"),
    "face_drop": Text("拖入或选择图片", "Drop or choose a picture"),
    "face_kept": Text("保持原样", "stays as it is"),
    "face_busy": Text("正在检查……", "Checking…"),
    "face_clear": Text("不替换", "Leave as it is"),
    "no_face_here": Text(
        "这张图片里没有找到人脸，请换一张。", "No face in this picture. Choose another one."
    ),
    "need_picture": Text("这里需要图片。", "This must be a picture."),
    "mouth_mask": Text("保留原来的嘴", "Keep the target's own mouth"),
    "mouth_mask_info": Text(
        "嘴唇和牙齿与原片完全一致，相似度略低。",
        "Lips and teeth move exactly as before; the likeness is less.",
    ),
    "keep_fps": Text("保留全部帧", "Keep every frame"),
    "keep_fps_info": Text("不勾选时最多每秒 30 帧。", "Otherwise at most 30 frames a second are kept."),
    "video_encoder": Text("编码", "Encoder"),
    "video_encoder_info": Text(
        "H.264 到处都能播放；HEVC、VP9 文件更小，但更慢。",
        "H.264 plays everywhere; HEVC and VP9 make smaller files, slowly.",
    ),
    "preview": Text("预览一帧", "Preview one frame"),
    "preview_shown": Text(
        "预览：一帧的效果。视频可先暂停在想看的位置再预览。",
        "Preview of one frame. Pause a video where you want to see it, then preview again.",
    ),
    "preview_alt": Text("换脸后的一帧", "One swapped frame"),
    "go_multi": Text("开始多人换脸", "Start the swap"),
    "example": Text("用示例试试", "Try an example"),
    "example_credit": Text(
        "示例：Eileen Collins（NASA）与 Grace Hopper（美国海军）的官方肖像，均属公有领域，"
        "首次使用时从软件包仓库取得。",
        "Official portraits of Eileen Collins (NASA) and Grace Hopper (US Navy), both in the public domain; "
        "fetched from the package index on first use.",
    ),
    "start_example": Text("用示例试试", "Try an example"),
    "replace": Text("换一个", "Choose another"),
    "formats_image": Text("JPEG、PNG、WebP", "JPEG, PNG, WebP"),
    "formats_video": Text("MP4、MOV、MKV、WebM、AVI", "MP4, MOV, MKV, WebM, AVI"),
    "consent": Text(STATEMENT["zh-CN"], STATEMENT["en"]),
    "options": Text("选项", "Options"),
    "many_faces": Text("替换画面中的所有人脸", "Swap every face in the target"),
    "many_faces_info": Text("不勾选时只替换最大的一张脸。", "Otherwise only the largest face is swapped."),
    "video_quality": Text("画质", "Quality"),
    "video_quality_info": Text("1 文件最小，100 画质最好。", "1 makes the smallest file, 100 looks best."),
    "engine": Text("换脸引擎", "Engine"),
    "engine_info": Text(
        "自动：有模型和显卡时用神经网络，否则用网格。",
        "Automatic: neural where models and a GPU are there, else mesh.",
    ),
    "engine_auto": Text("自动", "Automatic"),
    "engine_mesh": Text("网格（无需显卡）", "Mesh (needs no GPU)"),
    "engine_neural": Text("神经网络", "Neural"),
    "enhancer": Text("面部增强", "Enhance the face"),
    "enhancer_info": Text(
        "换脸后再锐化面部，需要增强模型。", "Sharpens the swapped face; needs an enhancer model."
    ),
    "unlabelled": Text("不加可见标识", "Leave out the visible label"),
    "unlabelled_info": Text(
        "看到结果的人将无从看出它是合成的：公开或转发前，请自行注明。这一选择会写入日志和任务回执；"
        "元数据标识和签名仍会写入文件。",
        "Nothing then shows viewers that the result is synthetic: say so yourself wherever you share it. The "
        "choice is logged and kept in the receipt; the metadata label and the signature stay in the file.",
    ),
    "models_head": Text("神经网络引擎的模型", "Models of the neural engine"),
    "models_own": Text(
        "模型由你自备，本程序不下载也不附带。使用前请确认其许可条款：",
        "Models are your own; none is downloaded or shipped. Check their terms before you use them:",
    ),
    "models_where": Text(
        "缺少：{missing}。请把 .onnx 文件放进 {folder}，然后刷新页面。",
        "Missing: {missing}. Put the .onnx files into {folder}, then reload the page.",
    ),
    "models_folder": Text("FACESWAP_MODELS_DIR 指定的文件夹", "the folder that FACESWAP_MODELS_DIR names"),
    "models_bad": Text("无法使用：{files}", "Not usable: {files}"),
    "models_runtime": Text(
        "还需要安装 onnxruntime（NVIDIA 显卡用 onnxruntime-gpu）：pip install onnxruntime",
        "It also needs onnxruntime (onnxruntime-gpu for an NVIDIA GPU): pip install onnxruntime",
    ),
    "models_remote": Text(
        "任务在 RunPod 上运行：模型要放在那里的网络卷或镜像中（FACESWAP_WORKER_MODELS_DIR）。",
        "Tasks run on RunPod: models belong on its network volume or in its image "
        "(FACESWAP_WORKER_MODELS_DIR).",
    ),
    "model_swap model": Text("换脸模型", "swap model"),
    "model_face embedding model": Text("人脸特征模型", "face embedding model"),
    "model_embedding converter": Text("特征转换模型", "embedding converter"),
    "model_face enhancer": Text("面部增强模型", "face enhancer"),
    "licence_insightface": Text(
        "InsightFace 条款：仅限非商业研究", "InsightFace's terms: non-commercial research only"
    ),
    "licence_researchrail-ms": Text(
        "ResearchRAIL-MS：仅限研究，附使用限制", "ResearchRAIL-MS: research only, with restrictions on use"
    ),
    "licence_apache-2.0": Text(
        "Apache-2.0：可商用，须保留声明", "Apache-2.0: commercial use allowed, keep the notice"
    ),
    "licence_unknown": Text(
        "未识别的文件：以其发布者的条款为准", "not a file we recognise: its publisher's terms apply"
    ),
    "go_video": Text("开始视频换脸", "Start the video swap"),
    "go_image": Text("开始图片换脸", "Start the picture swap"),
    "result": Text("结果", "Result"),
    "result_empty": Text(
        "完成的结果会显示在这里，可以播放、对比和下载。",
        "A finished result appears here, to play, compare and download.",
    ),
    "no_preview": Text(
        "浏览器不能预览这种格式，不影响换脸。",
        "This browser cannot preview the format; the swap still works.",
    ),
    "original": Text("原片", "Original"),
    "swapped": Text("换脸后", "Swapped"),
    "sheet": Text("一览（8 帧）", "Contact sheet (8 frames)"),
    "sheet_frame": Text("跳到 {time} 秒", "Go to {time} s"),
    "slider": Text("拖动以对比原图和结果", "Drag to compare the original with the result"),
    "one_face": Text("找到 1 张人脸", "1 face found"),
    "several_faces": Text(
        "找到 {count} 张人脸，将使用最大的一张", "{count} faces found; the largest is used"
    ),
    "video_facts": Text("{width}×{height}，{duration}", "{width}×{height}, {duration}"),
    "picture_facts": Text("{width}×{height}", "{width}×{height}"),
    "need_source": Text("请先选择一张人脸图片。", "Choose a face picture first."),
    "need_target": Text("请先选择目标文件。", "Choose a target file first."),
    "queued": Text(
        "已加入队列：{title}。右下角可以看进度，现在就可以准备下一个。",
        "Queued: {title}. Watch it at the bottom right; you can prepare the next one now.",
    ),
    "unnamed": Text("未命名", "Untitled"),
    # panel
    "panel": Text("任务面板", "Task panel"),
    "tasks": Text("任务", "Tasks"),
    "tasks_count": Text("任务 ({running}/{live})", "Tasks ({running}/{live})"),
    "tasks_hint": Text("{running} 个处理中，共 {live} 个未完成", "{running} running of {live} unfinished"),
    "expand": Text("展开任务面板", "Open the task panel"),
    "collapse": Text("收起任务面板", "Close the task panel"),
    "column_title": Text("任务", "Task"),
    "column_status": Text("状态", "Status"),
    "column_progress": Text("进度", "Progress"),
    "column_eta": Text("剩余", "Left"),
    "active": Text("进行中的任务", "Active tasks"),
    "none_active": Text("没有进行中的任务", "No active tasks"),
    "finished": Text("最近完成", "Recently finished"),
    "all_tasks": Text("全部任务", "All tasks"),
    "place": Text("第 {position} 位", "#{position} in line"),
    "seconds": Text("{s} 秒", "{s} s"),
    "minutes": Text("{m} 分 {s} 秒", "{m} min {s} s"),
    "retrying": Text("第 {attempt} 次运行", "run {attempt}"),
    "cancel": Text("取消", "Cancel"),
    "cancel_named": Text("取消任务：{title}", "Cancel task: {title}"),
    "cancel_ask": Text("取消这个任务？", "Cancel this task?"),
    "cancel_why": Text(
        "“{title}”会立即停止，已处理的部分不会保留。",
        "“{title}” stops at once; what was processed so far is not kept.",
    ),
    "cancel_yes": Text("取消任务", "Cancel the task"),
    "cancel_no": Text("继续运行", "Keep it running"),
    "cancel_late": Text("任务已经结束，不能再取消。", "The task is already over and cannot be cancelled."),
    "play": Text("播放", "Play"),
    "view": Text("查看", "View"),
    "download": Text("下载", "Download"),
    "done_toast": Text("“{title}”已完成", "“{title}” is finished"),
    "failed_toast": Text("“{title}”失败", "“{title}” failed"),
    "cancelled_toast": Text("“{title}”已取消", "“{title}” was cancelled"),
    "offline": Text("连接中断，正在重试……任务不受影响。", "Connection lost, trying again… Tasks go on."),
    "online": Text("已重新连接", "Connected again"),
    "session_lost": Text("会话已失效，请刷新页面。", "Your session has ended. Reload the page."),
    "action_failed": Text("没有成功，请稍后再试。", "That did not work. Try again in a moment."),
    "close": Text("关闭", "Close"),
    "attention": Text("请注意", "Please note"),
    # history
    "lead_tasks": Text(
        "所有任务都在这里：重看结果、失败原因、重试或彻底删除。",
        "All your tasks: see results again, why one failed, retry, or delete for good.",
    ),
    "search": Text("搜索", "Search"),
    "search_hint": Text("文件名的一部分", "Part of a file name"),
    "filter": Text("状态", "Status"),
    "filter_all": Text("全部", "All"),
    "filter_live": Text("进行中", "Active"),
    "more": Text("显示更多", "Show more"),
    "history_empty": Text("还没有任务。", "No tasks yet."),
    "history_none": Text("没有符合条件的任务。", "No task matches."),
    "history_go": Text("去换一段视频", "Swap a video"),
    "kind_video": Text("视频", "Video"),
    "kind_image": Text("图片", "Picture"),
    "retry": Text("重试", "Retry"),
    "again": Text("再做一次", "Once more"),
    "retry_ask": Text("再做一次“{title}”？", "Swap “{title}” again?"),
    "retry_yes": Text("我声明并开始", "I state this; start"),
    "dismiss": Text("返回", "Back"),
    "delete": Text("删除", "Delete"),
    "delete_ask": Text("删除“{title}”？", "Delete “{title}”?"),
    "delete_why": Text(
        "任务、结果和不再需要的素材会被彻底删除，不能恢复；只留下仅含校验值的回执。",
        "The task, its result and files that nothing else needs are removed for good. A receipt with hashes "
        "only stays.",
    ),
    "delete_yes": Text("删除", "Delete"),
    "deleted": Text("已删除", "Deleted"),
    "retried": Text("已重新加入队列", "Queued again"),
    "took": Text("用时 {duration}", "took {duration}"),
    # consent and receipt
    "consented": Text("已声明同意（{version} 版）", "consent stated (version {version})"),
    "revoke": Text("撤回同意", "Revoke consent"),
    "revoke_ask": Text("撤回对“{title}”的同意？", "Revoke the consent to “{title}”?"),
    "revoke_why": Text(
        "任务会立即停止，结果和素材会被彻底删除，不能恢复；只留下仅含校验值的回执。其他任务也在用的素材会保留。",
        "The task stops at once; its result and files are removed for good, and a receipt with hashes only "
        "stays. Files that another task uses stay for it.",
    ),
    "revoke_yes": Text("撤回并删除", "Revoke and delete"),
    "revoked": Text("已撤回同意并删除", "Consent revoked, everything deleted"),
    "revoked_shared": Text(
        "已撤回同意。还有 {count} 个任务使用了相同的素材，需要时请一并撤回。",
        "Consent revoked. {count} more of your tasks use some of the same files; revoke them, too, if you "
        "want these gone.",
    ),
    "receipt": Text("回执", "Receipt"),
    "receipt_lead": Text(
        "用哪些文件做了什么、由谁声明同意。校验值（SHA-256）可用来确认一个文件是不是当时的文件。",
        "What was done with which files, and by whose word. A hash (SHA-256) tells whether a file is the one "
        "that was used or made.",
    ),
    "receipt_missing": Text("找不到这个任务的回执。", "There is no receipt for this task."),
    "receipt_save": Text("下载 JSON", "Download as JSON"),
    "receipt_print": Text("打印", "Print"),
    "receipt_forgotten": Text("已删除的任务", "Deleted task"),
    "receipt_task": Text("任务", "Task"),
    "receipt_consent": Text("同意声明", "Consent"),
    "receipt_files": Text("文件", "Files"),
    "receipt_result": Text("结果", "Result"),
    "receipt_marks": Text("标识与签名", "Labels and signature"),
    "receipt_timeline": Text("时间线", "Timeline"),
    "receipt_older_words": Text("较早版本的声明", "an earlier version of the statement"),
    "receipts": Text("已删除任务的回执（最近 {count} 份）", "Receipts of deleted tasks (the last {count})"),
    "because_deleted": Text("已由本人删除", "Deleted by its owner"),
    "because_revoked": Text("同意已撤回，素材和结果已删除", "Consent revoked; files and result deleted"),
    "because_expired": Text("保存期已过，已自动删除", "Deleted when its time of storage was over"),
    "row_id": Text("编号", "Id"),
    "row_kind": Text("类型", "Kind"),
    "row_backend": Text("运行位置", "Ran on"),
    "row_created": Text("提交", "Submitted"),
    "row_started": Text("开始", "Started"),
    "row_ended": Text("结束", "Ended"),
    "row_attempts": Text("运行次数", "Runs"),
    "row_engine": Text("引擎", "Engine"),
    "row_model": Text("模型", "Model"),
    "row_options": Text("选项", "Options"),
    "row_remarks": Text("备注", "Remarks"),
    "row_version": Text("声明版本", "Version"),
    "row_words": Text("内容", "Words"),
    "row_stated": Text("声明时间", "Stated"),
    "row_revoked": Text("撤回时间", "Revoked"),
    "row_forgotten": Text("删除", "Deleted"),
    "row_statement_hash": Text("声明校验值", "Hash of the words"),
    "row_source": Text("人脸图片", "Face picture"),
    "row_target": Text("目标", "Target"),
    "row_file": Text("文件", "File"),
    "row_size": Text("大小", "Size"),
    "row_frames": Text("帧数", "Frames"),
    "row_audio": Text("声音", "Sound"),
    "mark_label": Text("可见标识", "Visible label"),
    "mark_aigc": Text("元数据标识 AIGC", "Metadata label AIGC"),
    "mark_manifest": Text("签名清单 (C2PA)", "Manifest (C2PA)"),
    "mark_signer": Text("签名者", "Signer"),
    "mark_source_type": Text("合成方式", "Kind of synthesis"),
    "mark_signed_at": Text("签名时间", "Signed"),
    "mark_sha256": Text("文件校验值", "Hash of the file"),
    "mark_size_bytes": Text("字节数", "Bytes"),
    "backend_local": Text("运行本程序的机器", "The machine that runs this app"),
    "backend_runpod": Text("云端（RunPod）", "The cloud (RunPod)"),
    "frames_swapped": Text("共 {frames} 帧，{swapped} 帧换了脸", "{frames}, of which {swapped} were swapped"),
    "audio_none": Text("目标没有声音", "The target has none"),
    "audio_kept": Text("原样保留", "Kept as it was"),
    "audio_converted": Text("已转为 AAC", "Converted to AAC"),
    # verify
    "lead_verify": Text(
        "看看一个文件是谁、何时、用什么合成的，之后有没有被改动。文件看完即删，不会保存。",
        "See who made a file, when and with what, and whether it was changed since. The file is removed as "
        "soon as it was looked at.",
    ),
    "verify_file": Text("图片或视频", "Picture or video"),
    "verify_genuine": Text(
        "由本程序在这里合成，此后没有任何改动。", "Made here with this app, and not changed by one bit since."
    ),
    "verify_signed": Text(
        "由另一处安装的本程序合成并签名，此后没有任何改动；无法确认签名者是谁。",
        "Made and signed by another installation of this app, and not changed by one bit since. Who runs "
        "that one cannot be told.",
    ),
    "verify_other": Text(
        "由另一个程序签名，签名所保护的内容没有改动；不是本程序合成的。",
        "Signed by another program; what it signed has not changed. It was not made with this app.",
    ),
    "verify_changed": Text(
        "签名之后被改动过，或文件已损坏：下面的信息不能再相信。",
        "Changed after it was signed, or damaged: what is said below cannot be relied on.",
    ),
    "verify_stripped": Text(
        "带有合成标识，但签名缺失或已毁坏：文件被复制、转码或裁剪过，不能确认之后有没有改动。",
        "It is labelled as synthetic, but its signature is missing or destroyed: it was copied, converted or "
        "cut, and whether it was changed cannot be told.",
    ),
    "verify_unmarked": Text(
        "没有找到任何标识。这不能证明它是真实的拍摄。",
        "None of the marks was found. That does not prove that it is a recording.",
    ),
    "verify_made_by": Text("制作者", "Made by"),
    "verify_made_at": Text("时间", "When"),
    "verify_made_with": Text("方式", "With"),
    "verify_label": Text("可见标识", "Visible label"),
    "verify_label_there": Text("在开头画面中找到", "found in the opening picture"),
    "verify_label_left_out": Text("制作者要求不加", "left out: its maker asked for that"),
    "verify_label_none": Text("没有找到", "not found"),
    "verify_aigc": Text("元数据标识 AIGC", "Metadata label AIGC"),
    "verify_aigc_one": Text("有，格式正确", "there, in the prescribed form"),
    "verify_aigc_bad": Text("有，但格式不正确或不止一个", "there, but malformed or more than one"),
    "verify_job": Text("任务编号", "Task"),
    "verify_sources": Text("所用素材 (SHA-256)", "Made from (SHA-256)"),
    "verify_hash": Text("本文件 (SHA-256)", "This file (SHA-256)"),
    "verify_problems": Text("检查结果", "Findings"),
    "made_compositeCapture": Text("拍摄素材的合成，不含生成模型的像素", "a composite of recordings"),
    "made_compositeWithTrainedAlgorithmicMedia": Text(
        "用训练过的模型合成", "a composite with a trained model"
    ),
    "engine_named": Text("{engine} 引擎", "engine {engine}"),
    # diagnostics
    "lead_diagnostics": Text(
        "这台机器上的任务、状态变化和服务健康状况。", "Tasks, state changes and health on this machine."
    ),
    "health_store": Text("任务数据库", "Task database"),
    "health_fine": Text("正常", "fine"),
    "health_dispatcher": Text("任务调度", "Dispatcher"),
    "health_running": Text("运行中", "running"),
    "health_stopped": Text("已停止", "stopped"),
    "health_backend": Text("任务运行于", "Tasks run on"),
    "health_queue": Text("队列", "Queue"),
    "health_queue_facts": Text(
        "{processing} 个处理中，{pending} 个等待（上限 {limit}）",
        "{processing} running, {pending} waiting (limit {limit})",
    ),
    "health_log": Text("日志级别", "Log level"),
    "simulate": Text("模拟任务", "Simulated tasks"),
    "simulate_why": Text(
        "不需要素材：模拟任务和真实任务走同一个数据库、调度和面板，用来观察等待、进度、取消和失败。",
        "No media needed: they go through the same database, dispatcher and panel as any task, to see "
        "waiting, progress, cancelling and failing.",
    ),
    "simulate_length": Text("时长（秒）", "Length (s)"),
    "simulate_count": Text("个数", "How many"),
    "simulate_outcome": Text("结局", "Outcome"),
    "simulate_go": Text("开始模拟", "Start"),
    "simulation_title": Text("模拟 {number}（{s} 秒）", "Simulation {number} ({s} s)"),
    "simulated": Text("已加入 {count} 个模拟任务。", "{count} simulated tasks queued."),
    "kind_simulated": Text("模拟", "Simulation"),
    "inspect": Text("查看状态变化", "State changes"),
    "inspect_hint": Text(
        "选一个任务，查看它的每次状态变化和日志。",
        "Pick a task to see each of its state changes and its log.",
    ),
    "inspected": Text("所选任务", "The chosen task"),
    "log": Text("日志（最新在上）", "Log (newest first)"),
    "log_empty": Text(
        "还没有这个任务的日志。设置 FACESWAP_LOG_LEVEL=DEBUG 并重启，可看到更多。",
        "No lines about this task. Restart with FACESWAP_LOG_LEVEL=DEBUG to see more.",
    ),
    "events": Text("状态变化", "State changes"),
    "job_id": Text("任务编号", "Task id"),
    "column_time": Text("时间", "Time"),
    "column_reason": Text("原因", "Reason"),
}

STATUS: dict[str, Text] = {
    Status.PENDING: Text("等待中", "Waiting"),
    Status.PROCESSING: Text("处理中", "Processing"),
    Status.COMPLETED: Text("已完成", "Completed"),
    Status.FAILED: Text("失败", "Failed"),
}

REASONS: dict[str, Text] = {
    "submitted": Text("已提交", "submitted"),
    "claimed": Text("开始运行", "taken up"),
    "adopted": Text("由另一进程接手", "taken over"),
    "completed": Text("已完成", "completed"),
    "restarted: the run had died": Text("上次运行中断，重新排队", "back in the queue: its run had died"),
    "given back: the app was stopped": Text("程序退出，放回队列", "back in the queue: the app was stopped"),
    "submitting to the remote backend": Text("正在提交到云端", "being submitted to the cloud"),
    "remote stop confirmed": Text("云端已停止", "stopped in the cloud"),
    "remote stop given_up": Text("未能确认云端已停止", "the stop in the cloud could not be confirmed"),
}
"""What the store notes with a state change; what it names after "by" is left as it is."""

STAGES: dict[str, Text] = {
    "queued": Text("排队", "queued"),
    "uploading": Text("上传中", "uploading"),
    "waiting for GPU": Text("等待显卡", "waiting for GPU"),
    "processing": Text("换脸中", "swapping"),
    "finishing": Text("收尾中", "finishing"),
}

REMOTE_STOP: dict[str, Text] = {
    RemoteStop.PENDING: Text("云端正在停止", "Stopping in the cloud"),
    RemoteStop.CONFIRMED: Text("云端已停止", "Stopped in the cloud"),
    RemoteStop.GIVEN_UP: Text(
        "未能确认云端已停止，请到 RunPod 控制台查看",
        "The stop in the cloud could not be confirmed; look at the RunPod console",
    ),
}

EVENTS: dict[str, Text] = {
    "submitted": Text("已提交", "Submitted"),
    "submitted, asked for no visible label": Text(
        "已提交，要求不加可见标识", "Submitted; asked for no visible label"
    ),
    "claimed": Text("开始运行", "A run began"),
    "adopted": Text("程序重启后继续跟进", "Taken up again after a restart"),
    "submitting to the remote backend": Text("正在提交到云端", "Being sent to the cloud"),
    "restarted: the run had died": Text("运行中断，重新排队", "The run had died; queued again"),
    "given back: the app was stopped": Text("程序关闭，重新排队", "The app was stopped; queued again"),
    "completed": Text("已完成", "Completed"),
    "cancelled": Text("已被用户取消", "Cancelled by the user"),
    "remote stop confirmed": Text("云端已确认停止", "The stop in the cloud was confirmed"),
    "remote stop given_up": Text("未能确认云端已停止", "The stop in the cloud could not be confirmed"),
}
"""Reasons of state changes that are no errors."""

NOTES: dict[str, Text] = {
    "several_faces_in_source": Text(
        "人脸图片里有多张脸，使用了最大的一张", "The face picture shows several faces; the largest was used"
    ),
    "audio_reencoded": Text("声音已转为 AAC", "The sound was converted to AAC"),
    "enhancer_missing": Text(
        "没有面部增强模型，结果未增强", "There is no face enhancer; the result was not enhanced"
    ),
    "enhancer_failed": Text(
        "面部增强出错，结果未增强", "The face enhancer failed; the result was not enhanced"
    ),
    "mesh_instead_neural_unavailable": Text(
        "神经网络引擎不可用，改用了网格引擎", "The neural engine cannot be used; the mesh engine was used"
    ),
    "mesh_instead_neural_not_installed": Text(
        "没有安装 onnxruntime，改用了网格引擎", "onnxruntime is not installed; the mesh engine was used"
    ),
    "mesh_instead_neural_weights_missing": Text(
        "神经网络引擎缺少模型，改用了网格引擎",
        "A model of the neural engine is missing; the mesh engine was used",
    ),
    "mesh_instead_neural_weights_damaged": Text(
        "神经网络引擎的模型文件已损坏，改用了网格引擎",
        "A model file of the neural engine is damaged; the mesh engine was used",
    ),
    "mesh_instead_neural_weights_wrong": Text(
        "模型文件与其 SHA-256 不符，改用了网格引擎",
        "A model file is not the one that its SHA-256 states; the mesh engine was used",
    ),
    "mesh_instead_neural_weights_unsuitable": Text(
        "模型文件不适用，改用了网格引擎", "A model file does not fit; the mesh engine was used"
    ),
    "mesh_instead_neural_without_gpu": Text(
        "显卡无法使用，改用了网格引擎", "The GPU could not be used; the mesh engine was used"
    ),
    "mesh_instead_neural_out_of_memory": Text(
        "神经网络引擎内存不足，改用了网格引擎",
        "The neural engine ran out of memory; the mesh engine was used",
    ),
    "mesh_instead_neural_failed": Text(
        "神经网络引擎计算出错，改用了网格引擎", "The neural engine failed; the mesh engine was used"
    ),
    "unlabelled": Text("按要求未加可见标识", "Without the visible label, as was asked for"),
    "hdr_lost": Text("HDR 画面已转为普通色彩", "HDR was converted to standard colours"),
    "encoder_replaced": Text(
        "浏览器不能播放所选编码，已使用 H.264", "Browsers cannot play the encoder asked for; H.264 was used"
    ),
}

CHINESE_ERRORS: dict[str, str] = {
    "internal": "出了点问题，请再试一次；如果再次出现，请查看日志。",
    "not_found": "没有找到，请刷新页面。",
    "job_not_found": "找不到这个任务，它可能已被删除。请刷新页面。",
    "upload_not_found": "找不到这个文件，请重新上传。",
    "no_result": "这个任务没有可下载的结果，请重新提交。",
    "already_finished": "任务已经结束（{status}），不能再更改。",
    "too_many_jobs": "你已有 {limit} 个任务在等待或运行，请等其中一个完成，或先取消一个。",
    "queue_full": "服务器上已有 {limit} 个任务在排队，请过几分钟再试。",
    "consent_required": "请先勾选声明：素材中的每个人都已同意本次换脸。",
    "not_signed_in": "会话已失效，请刷新页面后再试。",
    "invalid_request": "请求有误，请刷新页面后再试。",
    "no_face_chosen": "还没有为任何一张脸选择替换的人脸，请至少选择一张。",
    "unknown_face": "目标中没有编号为 {face} 的人脸，请重新检测后再选择。",
    "label_required": "这台服务器上的结果必须带可见标识，请保留该选项。",
    "marks_missing": "结果缺少用来与真实拍摄区分的标识（{mark}），因此没有交付。"
    "请重新提交；如果再次出现，请查看日志。",
    "signing_key": "签名密钥不可用，请检查 FACESWAP_SIGNING_KEY 和 FACESWAP_SIGNING_CERT，"
    "或数据目录中的 signing 文件夹。",
    "bad_media": "文件已损坏或不完整，无法读取。请重新导出，或换一个文件。",
    "empty_file": "文件是空的，请换一个文件。",
    "unsupported_media": "不支持这种{expected}文件。图片请用 JPEG、PNG、WebP；"
    "视频请用 MP4、MOV、MKV、WebM、AVI。",
    "wrong_kind": "这里需要{expected}，而这个文件是{found}，请换一个文件。",
    "too_large": "文件超过 {limit_mb:.0f} MB，请先压缩或剪短。",
    "bucket_needed": "文件共 {size_mb:.1f} MB，没有存储桶时最多能向云端发送 {limit_mb:.1f} MB。"
    "请配置存储桶（FACESWAP_S3_*），或换更小的文件。",
    "result_too_large": "结果超过 {limit_mb:.0f} MB，无法传回。请剪短视频，或配置存储桶（FACESWAP_S3_*）。",
    "too_many_pixels": "画面有 {width}×{height} 像素，超过上限（{limit_megapixels:.0f} 百万像素），"
    "请先缩小。",
    "too_many_frames": "视频超过 {limit} 帧，请剪短或降低帧率。",
    "too_long": "视频长 {duration_s:.0f} 秒，超过上限 {limit_s:.0f} 秒，请先剪短。",
    "content_refused": "这个{role}不符合本服务器的内容规则，没有加入队列，也没有保留。请换一个文件。",
    "gate_unavailable": "本服务器的内容检查（FACESWAP_CONTENT_GATE）无法进行，暂不接受任务，请联系管理员。",
    "unsafe_address": "云端不会从这个地址取素材，请使用公开的 https 地址。",
    "no_face": "在{role}中没有找到人脸，请换一个人脸清晰、没有侧过去的。",
    "backend_unavailable": "暂时无法连接到处理任务的地方，请稍后再试。",
    "backend_lost": "这个任务的运行中断了 {attempts} 次，请重新提交。",
    "submission_unknown": "提交到云端时连接中断，为安全起见正在那里停止它。请重新提交。",
    "weights_missing": "无法获取人脸关键点模型。请联网一次，或把 face_landmarker.task 放进数据目录的"
    " weights 文件夹。",
    "example_missing": "无法从软件包仓库取得示例。请联网后再试，或选择自己的文件。",
    "engine_crashed": "处理这个文件时引擎意外停止，请重新导出，或换一个文件。",
    "neural_unavailable": "神经网络引擎无法使用，请选择网格引擎。",
    "neural_not_installed": "神经网络引擎需要 Python 包 onnxruntime（NVIDIA 显卡用 onnxruntime-gpu），"
    "请安装，或选择网格引擎。",
    "neural_weights_missing": "神经网络引擎缺少{missing}。请把它放进模型文件夹（FACESWAP_MODELS_DIR），"
    "或选择网格引擎。",
    "neural_weights_damaged": "模型文件 {file} 已损坏或不完整。请换成完整的文件，或选择网格引擎。",
    "neural_weights_wrong": "{file} 的 SHA-256 与 {file}.sha256 中的不符。请换成正确的文件，或选择网格引擎。",
    "neural_weights_unsuitable": "{file} 不是神经网络引擎认识的模型，输入输出不符。"
    "请换一个文件，或选择网格引擎。",
    "neural_without_gpu": "神经网络引擎无法使用显卡。请查看日志，或选择网格引擎。",
    "neural_out_of_memory": "运行 {file} 时内存不足。请调高 FACESWAP_ENGINE_MEMORY_MB、换更大的显卡，"
    "或选择网格引擎。",
    "neural_failed": "{file} 计算时出错。请查看日志，或选择网格引擎。",
    "bucket_unavailable": "存储桶不可用，请检查 FACESWAP_S3_* 后再试。",
    "cloud_refused": "云端拒绝了这个任务（HTTP {status}），请检查 RUNPOD_API_KEY 和 RUNPOD_ENDPOINT_ID。",
    "cloud_lost": "云端已没有这个任务的记录，请重新提交。",
    "cloud_failed": "云端处理失败，请重新提交；如果再次出现，请查看云端日志。",
    "cloud_stopped": "这个任务在云端被他人取消了，请重新提交。",
    "worker_shut_down": "处理途中云端机器被关闭，请重新提交。",
    "result_missing": "云端报告成功却没有返回结果，请重新提交。",
    "result_damaged": "结果在传回途中损坏，请重新提交。",
    "stopped": "任务已取消，需要时请重新提交。",
    "timeout": "任务运行超过 {limit_s:.0f} 秒，已停止。请剪短视频后再试。",
    "disk_full": "磁盘空间不足，请删除一些旧任务后再试。",
    "store_unavailable": "无法打开任务数据库，请检查数据目录的权限和磁盘后重启。",
    "network_disk": "数据目录在 {file_system} 网络文件系统上，任务数据库在那里不安全。请用 FACESWAP_DATA_DIR "
    "选择本地磁盘上的目录。",
    "snapshot_unavailable": "快照目录不可用，请检查 FACESWAP_SNAPSHOT_DIR 后重启。",
    "mcp_missing": "FACESWAP_MCP 需要安装 gradio[mcp]，请安装后重启。",
    "cancelled": CANCELLED_MESSAGE,
}
"""`{names}` are filled from the error's details."""

CHINESE_WITHOUT_DETAILS: dict[str, str] = {
    "content_refused": "文件不符合本服务器的内容规则，没有保留。请换一个文件。",
    "already_finished": "任务已经结束，不能再更改。",
    "too_many_jobs": "你的任务太多了，请等其中一个完成，或先取消一个。",
    "queue_full": "服务器上排队的任务太多，请过几分钟再试。",
    "unsupported_media": "不支持这种文件。图片请用 JPEG、PNG、WebP；视频请用 MP4、MOV、MKV、WebM、AVI。",
    "wrong_kind": "文件类型不对，请换一个文件。",
    "too_large": "文件太大，请先压缩或剪短。",
    "bucket_needed": "文件太大，没有存储桶时不能发送到云端。请配置存储桶（FACESWAP_S3_*），或换更小的文件。",
    "result_too_large": "结果太大，无法传回。请剪短视频，或配置存储桶（FACESWAP_S3_*）。",
    "too_many_pixels": "画面尺寸太大，请先缩小。",
    "too_many_frames": "视频的帧太多，请剪短或降低帧率。",
    "too_long": "视频太长，请先剪短。",
    "no_face": "在目标中没有找到人脸，请换一个人脸清晰、没有侧过去的。",
    "unknown_face": "目标中没有所选编号的人脸，请重新检测后再选择。",
    "backend_lost": "这个任务的运行多次中断，请重新提交。",
    "neural_weights_missing": "神经网络引擎缺少模型。请把它放进模型文件夹（FACESWAP_MODELS_DIR），"
    "或选择网格引擎。",
    "neural_weights_damaged": "模型文件已损坏或不完整。请换成完整的文件，或选择网格引擎。",
    "neural_weights_wrong": "模型文件的 SHA-256 与所写的不符。请换成正确的文件，或选择网格引擎。",
    "neural_weights_unsuitable": "模型文件不适用于神经网络引擎。请换一个文件，或选择网格引擎。",
    "neural_out_of_memory": "神经网络引擎内存不足。请调高 FACESWAP_ENGINE_MEMORY_MB、换更大的显卡，"
    "或选择网格引擎。",
    "neural_failed": "神经网络引擎计算时出错。请查看日志，或选择网格引擎。",
    "marks_missing": "结果缺少用来与真实拍摄区分的标识，因此没有交付。请重新提交；如果再次出现，请查看日志。",
    "cloud_refused": "云端拒绝了这个任务，请检查 RUNPOD_API_KEY 和 RUNPOD_ENDPOINT_ID。",
    "timeout": "任务运行时间太长，已停止。请剪短视频后再试。",
    "network_disk": "数据目录在网络文件系统上，任务数据库在那里不安全，请选择本地磁盘上的目录。",
}
"""For failed jobs: the store keeps the code and the English sentence, not the details."""

ENGLISH_ERRORS: dict[str, str] = {
    "not_found": "Nothing was found here. Reload the page.",
    "job_not_found": "This task cannot be found; it may have been deleted. Reload the page.",
    "no_result": "This task has no result to download. Submit it again.",
    "already_finished": "This task is already over and cannot be changed.",
    "consent_required": "Tick the statement first: everyone shown agreed to this swap.",
    "invalid_request": "That request cannot be understood. Reload the page and try again.",
    "stopped": "This task was cancelled. Submit it again if you need it.",
    "store_unavailable": "The task database cannot be opened. Check the data folder, then restart.",
    "cancelled": "Cancelled by the user",
}
"""Where the page says more than the error's own message."""

ENGLISH_WITHOUT_DETAILS: dict[str, str] = {
    "too_many_jobs": "You have too many tasks waiting or running. Wait for one to finish, or cancel one.",
    "too_large": "This file is too large. Compress or cut it first.",
}
"""What the browser says by itself of errors whose own message needs details."""

_DETAILS: dict[str, Text] = {
    "image": Text("图片", "picture"),
    "video": Text("视频", "video"),
    "source": Text("人脸图片", "face picture"),
    "target": Text("目标", "target"),
    **{key.removeprefix("model_"): text for key, text in WORDS.items() if key.startswith("model_")},
    "visible label": Text("可见标识", "visible label"),
    "metadata label": Text("元数据标识", "metadata label"),
    "signature": Text("签名", "signature"),
    "completed": Text("已完成", "completed"),
    "failed": Text("失败", "failed"),
}


def words(key: str, language: Language, **values: object) -> str:
    return WORDS[key].of(language).format(**values)


def sentence(error: FaceSwapError, language: Language) -> str:
    """What went wrong and what to do, for a page."""
    if language == "en":
        return ENGLISH_ERRORS.get(error.code, str(error))
    template = CHINESE_ERRORS.get(error.code, CHINESE_ERRORS["internal"])
    return template.format(**{name: _in_chinese(value) for name, value in error.details.items()})


def _in_chinese(value: object) -> object:
    return _DETAILS[value].zh if isinstance(value, str) and value in _DETAILS else value


def job_sentence(job: Job, language: Language) -> str:
    """Why a job failed, or "" when it did not."""
    if job.error_code is None:
        return ""
    if language == "en":
        return ENGLISH_ERRORS.get(job.error_code) or job.error_message or ""
    return _failed_in_chinese(job.error_code)


def _failed_in_chinese(code: str) -> str:
    return CHINESE_WITHOUT_DETAILS.get(code) or CHINESE_ERRORS.get(code) or CHINESE_ERRORS["internal"]


def reason(noted: str, language: Language) -> str:
    """Of a state change, from what the store noted with it."""
    what, by, whom = noted.partition(" by ")
    if what in REASONS:
        return REASONS[what].of(language) + (f" ({whom})" if by else "")
    if language == "en":
        return ENGLISH_ERRORS.get(noted) or noted.replace("_", " ")
    return _failed_in_chinese(noted)


def remarks(job: Job, language: Language) -> list[str]:
    """What else is worth telling of a job: notes, and how its stop in the cloud goes."""
    found = [NOTES[note].of(language) for note in job.notes if note in NOTES]
    if job.remote_stop in REMOTE_STOP:
        found.append(REMOTE_STOP[job.remote_stop].of(language))
    return found


def event(reason: str, language: Language) -> str:
    """Why a state changed, for a receipt: an error is told by its code."""
    if reason in EVENTS:
        return EVENTS[reason].of(language)
    if language == "zh":
        return _failed_in_chinese(reason) if reason in CHINESE_ERRORS else reason
    return _ENGLISH_BY_CODE.get(reason, reason)


def made_with(generator: str, engine: str, source_type: str, language: Language) -> str:
    """How a file was made, as its marks say; "" when they do not."""
    said = [generator, words("engine_named", language, engine=engine) if engine else ""]
    if f"made_{source_type}" in WORDS:
        said.append(words(f"made_{source_type}", language))
    return " · ".join(filter(None, said))


def duration(seconds: float, language: Language) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return words("seconds", language, s=rest)
    return words("minutes", language, m=minutes, s=rest)


def _without_details() -> dict[str, FaceSwapError]:
    rebuilt = {code: from_code(code, {}) for code in CHINESE_ERRORS}
    return {code: error for code, error in rebuilt.items() if error.code == code}


_ENGLISH_BY_CODE = {code: str(error) for code, error in _without_details().items()} | ENGLISH_ERRORS
"""Of errors whose message needs details, those that the browser can do without."""


def for_browser() -> dict[Language, dict[str, dict[str, str]]]:
    """What the scripts of the pages say by themselves, in both languages."""
    errors: Mapping[Language, dict[str, str]] = {
        "zh": {code: _failed_in_chinese(code) for code in CHINESE_ERRORS},
        "en": _ENGLISH_BY_CODE | ENGLISH_WITHOUT_DETAILS,
    }
    return {
        language: {
            "words": {key: text.of(language) for key, text in WORDS.items()},
            "status": {key: text.of(language) for key, text in STATUS.items()},
            "stages": {key: text.of(language) for key, text in STAGES.items()},
            "remoteStop": {key: text.of(language) for key, text in REMOTE_STOP.items()},
            "errors": errors[language],
        }
        for language in LANGUAGES
    }
