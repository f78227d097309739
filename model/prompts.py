"""The text around the audio: the audio template and the system prompts that the authors evaluated with.

Names and wordings are facts of the checkpoint (FunAudioLLM/Fun-Audio-Chat, utils/constant.py): the model was
trained on them. The two long prompts of that file are read from it (see profiles.py).
"""

from __future__ import annotations

AUDIO = "<|AUDIO|>"
AUDIO_BOS = "<|audio_bos|>"
AUDIO_EOS = "<|audio_eos|>"
AUDIO_PAD = "<|audio_pad|>"
SILENCE = "<|sil|>"
IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
END_OF_TEXT = "<|endoftext|>"

AUDIO_TEMPLATE = AUDIO_BOS + AUDIO + AUDIO_EOS
"""What stands for one clip in a user's turn."""

DEFAULT_S2T_PROMPT = "You are asked to generate text tokens."
DEFAULT_S2M_PROMPT = "You are asked to generate both text and speech tokens at the same time."

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The chat template where a checkpoint brings none."""


def speech_code(code: int) -> str:
    """The written form of a speech code, e.g. `[AU0042]`."""
    return f"[AU{code:04d}]"
