"""Asks the models of a turn for its steps. A step is one answer; if a model fails in it, the next one goes on.

    model A   "To get to the oth"                      its provider dies
              calls that had begun                     cancelled: none of them ran
    handover  from A to B, because model_unavailable   committed before B is asked
    model B   "er side."                               asked to go on with what is committed

1. A model takes over silently if the turn has brought nothing yet.
2. It is given the text of the step as the beginning of its answer, without the first model's reasoning and state.
3. If it was asked in words and repeats that text from its beginning, the repetition is left out. After a `prefill`
   nothing is left out: what comes is the rest.
4. Functions that ran are not run again: they belong to earlier steps, whose results it reads.
5. It answers the rest of the turn, too.
6. An answer without a finish reason was cut, if there is another model; else it ends the turn (`incomplete`).
"""

import logging

from chatkeep.agent.answer_limit import AnswerLimit
from chatkeep.agent.context_window import (
    DEFAULT_BYTES_PER_TOKEN,
    Recipient,
    ask_to_continue,
    find_unfinished_text,
    fit_history,
    has_calls,
)
from chatkeep.agent.model_chain import ModelChain
from chatkeep.agent.turn_input import Emit, LoadMessage, TurnInput, count_steps
from chatkeep.agent.usage_meter import UsageMeter
from chatkeep.agent.user_content import NO_FILES, PromptFiles, has_files
from chatkeep.chat import event_log
from chatkeep.chat.events import Event, Handover, ProviderStateKept, ToolCallFinished
from chatkeep.chat.types import Kind, Message, ToolCallPart
from chatkeep.errors import ModelRejected, ModelUnavailable, TurnFailed
from chatkeep.llm import Model, Params, Prompt
from chatkeep.llm.assembler import Assembler
from chatkeep.llm.finish_reasons import is_done

_log = logging.getLogger("chatkeep")


class StepAnswers:
    """The answers of the models, one for each step of a turn. `meter` counts their tokens, `limit` their text."""

    def __init__(self, model: Model, turn_input: TurnInput) -> None:
        """Raises TurnFailed if `model` no longer has the model that is asked for."""
        self._model = model
        self._input = turn_input
        said = (*turn_input.history, turn_input.message)
        self._call_ids = {part.call_id for each in said for part in each.parts if isinstance(part, ToolCallPart)}
        self._chain = ModelChain(model, turn_input.model, turn_input.own_parts(turn_input.message))
        self._recipient = self._chain.recipient
        bytes_per_token = turn_input.bytes_per_token or DEFAULT_BYTES_PER_TOKEN
        self.meter = UsageMeter(turn_input.prior_usage, turn_input.prior_calls, turn_input.input_bytes, bytes_per_token)
        self.limit = AnswerLimit(turn_input.max_answer_bytes, turn_input.message)

    @property
    def model_name(self) -> str:
        """The model that answers now, by the name that clients use."""
        return self._chain.name

    async def ask(self, message: Message, emit: Emit, load_message: LoadMessage) -> Assembler:
        """Ask for the next step of `message`, the answer so far; emit it, and return it.

        Raises:
            TurnFailed: the model failed, and there is no other one.
        """
        while True:
            begun = find_unfinished_text(message)
            repeatable = "" if self._chain.info.prefill else begun
            step = Assembler(len(message.parts), self._find_kind, self._call_ids, begun=repeatable)
            try:
                await self._ask_again_if_refused(step, message, begun, emit)
            except TurnFailed as failure:
                await self._emit_rest(step, emit)
                if self.limit.is_reached:
                    return step
                if not self._chain.has_next:
                    raise
                reason = failure
            else:
                if step.finish_reason is not None or self.limit.is_reached or not self._chain.has_next:
                    return step
                reason = ModelUnavailable("the answer ended without a finish reason")
            message = await self._hand_over(step, message, reason, emit, load_message)

    async def _emit_rest(self, step: Assembler, emit: Emit) -> None:
        """Emit the text of an answer that broke off that was held back."""
        if rest := self.limit.take(step.release()):
            await emit(rest)

    async def _hand_over(
        self, step: Assembler, message: Message, failure: TurnFailed, emit: Emit, load_message: LoadMessage
    ) -> Message:
        """Hand the answer over to the next model, because `failure` has ended `step`. Return the answer so far."""
        failed = self._chain.name
        if not self._chain.advance():
            raise failure
        self._recipient = self._chain.recipient
        _log.warning("the model %r takes over from %r: %s", self._chain.name, failed, failure)
        if step.next_index == 0:
            return message  # nothing was said yet
        indexes = [call.index for call in step.calls if call.index is not None]
        events: list[Event] = [ToolCallFinished(index=index, state="cancelled") for index in indexes]
        seam = Handover(
            index=step.next_index, from_model=failed, to_model=self._chain.name, reason=failure.problem().code
        )
        await emit([*events, seam])
        return await load_message()

    async def _ask_again_if_refused(self, step: Assembler, message: Message, begun: str, emit: Emit) -> None:
        """Emit the answer of the current model.

        A history with calls that the provider refuses is tried once more, with the calls told as text: it may lack what
        this provider wants beside them, and would be refused with every later message too. So would files that it does
        not take after all.
        """
        try:
            await self._call_model(step, message, begun, emit)
        except ModelRejected as refusal:
            gentler = self._find_gentler_recipient(message)
            if gentler == self._recipient or self.meter.has_output:
                raise
            _log.warning("the provider refused the history; calls are told as text, files are named: %s", refusal)
            self._recipient = gentler
            await self._call_model(step, message, begun, emit)

    def _find_gentler_recipient(self, message: Message) -> Recipient:
        """Return a recipient that gets the calls of earlier turns as text, or all if `message` has some.

        Files of earlier turns are named for it.
        """
        gentler = self._recipient._replace(earlier_files_named=has_files(self._input.history[:-1]))
        if has_calls([message]):
            return gentler._replace(calls_as_text=True)
        return gentler._replace(earlier_as_text=has_calls(self._input.history))

    async def _call_model(self, step: Assembler, message: Message, begun: str, emit: Emit) -> None:
        """Call the model, and count the call. One that is stopped is counted where the run ends (`runs/end.py`)."""
        try:
            await self._stream_answer(step, message, begun, emit)
        except TurnFailed as failure:
            self.meter.fail_call(failure, step.tokens)
            raise
        is_complete = is_done(step.finish_reason) and not self.limit.is_reached
        self.meter.end_call("completed" if is_complete else "incomplete", step.tokens)

    async def _stream_answer(self, step: Assembler, message: Message, begun: str, emit: Emit) -> None:
        answer = self._model.stream(self._build_prompt(message, begun))
        try:
            async for chunks in answer:
                events = self.limit.take(step.read(chunks))
                del chunks  # frees their memory before the wait: this frame lives as long as the stream
                if events:
                    self.meter.add_output(sum(map(event_log.position_length, events)))
                    await emit(events)
                if self.limit.is_reached:
                    break
        except TurnFailed as failure:
            if not is_done(step.finish_reason):
                raise
            _log.warning("the provider failed after the end of its answer: %s", failure)
        finally:
            await answer.aclose()  # without `aclosing`, whose object would live as long as the stream
        if self.limit.is_reached:
            return
        last = self.limit.take(step.finish())
        if not self.limit.is_reached:
            last += self._keep_states(step)
        if last:
            await emit(last)

    def _keep_states(self, step: Assembler) -> list[Event]:
        provider, model = self._recipient[:2]
        return [
            ProviderStateKept(index=index, provider=provider, model=model, value=value)
            for index, value in step.take_states()
        ]

    def _build_prompt(self, message: Message, begun: str) -> Prompt:
        """Return the prompt of the next step, `message` being the answer so far, and `begun` the text to go on with."""
        turn_input, info = self._input, self._chain.info
        offered = [tool.definition for tool in turn_input.tools.values()]
        budget = (info.context_tokens or turn_input.context_tokens) * self.meter.bytes_per_token
        history = [*turn_input.history, message]
        files = PromptFiles(turn_input.files, info.input) if turn_input.files else NO_FILES
        fitted = fit_history(turn_input.prompt, history, offered, budget, self._recipient, files)
        step = max(1, count_steps(turn_input.own_parts(message)))
        self.meter.begin_call(step, self._chain.name, info, fitted.size)
        messages, params = fitted.messages, self._find_params(message)
        if begun:
            messages, more = ask_to_continue(messages, info.prefill)
            params = {**params, **more}
        return Prompt(self._chain.name, messages, offered, params, on_retry=self.meter.retry_call)

    def _find_params(self, message: Message) -> Params:
        """Return the parameters of the next step. A call that is asked for is made in the first, or there is no end."""
        params = self._input.params
        is_first = count_steps(self._input.own_parts(message)) <= 1
        if is_first or params.get("tool_choice") == "none":
            return params
        return {name: value for name, value in params.items() if name != "tool_choice"}

    def _find_kind(self, name: str) -> Kind | None:
        tool = self._input.tools.get(name)
        return tool.kind if tool else None
