"""The tables of the Fun-Audio-Chat report (arXiv 2512.20156) as groups of tasks: `-t table1` runs its rows."""

from __future__ import annotations

from fac_eval.task import Group

_SPOKEN_QUESTIONS = (
    "openaudiobench",
    # The report's seven subsets; VoiceBench itself has two more.
    "voicebench/alpacaeval",
    "voicebench/commoneval",
    "voicebench/sd-qa",
    "voicebench/mmsu",
    "voicebench/openbookqa",
    "voicebench/ifeval",
    "voicebench/advbench",
    "ultraeval_audio",
)

TABLE1 = Group("table1", "Spoken question answering, large models", _SPOKEN_QUESTIONS)
TABLE2 = Group("table2", "Spoken question answering, models of about 8B", _SPOKEN_QUESTIONS)
TABLE3 = Group("table3", "Audio understanding and speech recognition", ("mmau", "mmau_pro", "mmsu", "asr"))
TABLE4 = Group("table4", "Speech function calling", ("speech_fc",))
TABLE5 = Group("table5", "Style of speech, English and Mandarin", ("vstyle",))
TABLE6 = Group("table6", "Style of speech on a set of your own", ("styleset",))
TABLE7 = Group("table7", "Text and speech of one spoken answer", ("ultraeval_audio",))
