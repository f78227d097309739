"""Voices behind an OpenAI-compatible speech endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

from fac_eval.audio import Audio
from fac_eval.errors import AudioError, ModelUnavailable, require
from fac_eval.interfaces import Synthesizer
from fac_eval.models.openai_http import Address
from fac_eval.vocabulary import Failure


class OpenAIVoice(Synthesizer):
    """`POST /audio/speech`, several texts at a time; the client retries what may pass."""

    name = "openai"

    def __init__(
        self,
        model: str = "gpt-4o-mini-tts",
        voice: str = "alloy",
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 120.0,
        max_retries: int = 6,
        concurrency: int = 8,
    ) -> None:
        """OPENAI_BASE_URL and OPENAI_API_KEY stand in for what is not given."""
        self._model, self._voice = model, voice
        self._address = Address.find(base_url, api_key, None)
        self._timeout, self._retries = timeout, max_retries
        self.batch_size = self._concurrency = concurrency

    @property
    def fingerprint(self) -> str:
        """Endpoint, model and voice."""
        return f"openai-speech/{self._address.place}/{self._model}/{self._voice}"

    def speak(self, texts: Sequence[str]) -> list[Audio | Failure]:
        """One clip a text.

        Raises:
            ModelUnavailable: The endpoint lets nobody in, or knows no such model.
        """
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="speech") as pool:
            return list(pool.map(self._spoken, texts))

    def close(self) -> None:
        """Close all connections."""
        if "_client" in self.__dict__:
            self._client.close()
            del self.__dict__["_client"]

    @cached_property
    def _client(self) -> Any:
        return self._package.OpenAI(
            api_key=self._address.key or "none",
            base_url=self._address.base_url,
            timeout=self._timeout,
            max_retries=self._retries,
        )

    @cached_property
    def _package(self) -> Any:
        return require("openai", extra="api", purpose="A voice behind an endpoint")

    def _spoken(self, text: str) -> Audio | Failure:
        package = self._package
        try:
            reply = self._client.audio.speech.create(
                model=self._model, voice=self._voice, input=text, response_format="wav"
            )
            clip = Audio.from_bytes(reply.content, name=f"{self._model}.wav")
            clip.samples()  # what cannot be decoded is told now
        except (package.AuthenticationError, package.PermissionDeniedError, package.NotFoundError) as error:
            raise ModelUnavailable(
                f"{self._model}: {self._address.place} answered {self._clean(error)}",
                remedy="Check the key, the model's name and the address.",
            ) from error
        except package.APITimeoutError:
            return Failure("timeout", f"no speech from {self._address.place} within {self._timeout:g} s")
        except package.RateLimitError as error:
            return Failure("rate_limited", self._clean(error))
        except package.OpenAIError as error:
            return Failure("model_error", self._clean(error))
        except AudioError as error:
            return Failure("bad_response", f"{self._address.place} sent no sound: {error.message}")
        return clip

    def _clean(self, error: Exception) -> str:
        return self._address.clean(str(error))
