"""An outage goes on: what is due by now is done, a bounded piece in one transaction.

The row says what is wanted and how far that has come, so the process may be killed anywhere, and an outage that
changes in the middle of a piece of work is seen by the next piece. In this order: what the time has brought, the list
of those affected, a round through them, and once it is over the credits and the figures.
"""

from datetime import datetime, timedelta
from typing import Final

import holidays
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import dunning_holds, outage_credits, outage_listing, outage_round
from activities.message_queue import delivery_figures
from activities.outage_standings import is_believed
from activities.outage_state import is_over, locked, policy_of, want_listing, want_round
from activities.processes import close, enter_stage, tell
from activities.tasks import withdraw_forgotten
from models.contracts.messaging import DeliveryFigures, MessageStatus
from models.contracts.outage import OutageKind, OutagePolicy, OutageProgress, OutageStage
from models.contracts.outage_process import EndWanted, OutageLook, OutageStep
from models.contracts.processes import ProcessStatus
from models.rules.outage_timing import TalkingHours, announce_at
from models.tables.messages import Message
from models.tables.outages import Outage
from models.tables.processes import Process, TimelineEntry
from settings import Settings

PIECE: Final = 2_000
"""Services that one transaction lists, looks at or credits."""
_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(minutes=30)
_SENDING_BEGINS_WITHIN: Final = timedelta(minutes=15)
"""Until the list is written, the SMS are queued, and what others have queued before has gone."""
_HOLIDAYS: Final = holidays.country_holidays("KZ")


def go_on(session: Session, step: OutageStep, settings: Settings, *, piece: int = PIECE) -> OutageLook:
    """Do the next piece of what is due, and say whether there is more."""
    course = _Course(session, locked(session, step.process_id), step.at, settings)
    if step.is_news:
        course.hear_of_others()
    return course.go_on(piece)


class _Course:
    """One step of an outage's process."""

    def __init__(self, session: Session, outage: Outage, at: datetime, settings: Settings) -> None:
        self._session = session
        self._outage = outage
        self._at = at
        self._settings = settings
        self._policy: OutagePolicy = policy_of(session, outage.process_id)

    def hear_of_others(self) -> None:
        """Look at everybody again because of another outage of theirs."""
        if self._outage.announced_at is not None:
            self._outage.rounds_wanted += 1

    def go_on(self, piece: int) -> OutageLook:
        """Do as much as one transaction should."""
        outage, left = self._outage, piece
        while outage.closed_at is None and left > 0:
            self._see_what_the_time_brings()
            done = self._next_piece(left)
            if done is None:
                break
            left -= done
        wakes_at = None
        if outage.closed_at is None and left > 0 and outage.settled_at is not None:
            wakes_at = self._close_unless_sms_are_on_their_way()
        self._stand()
        self._session.flush()
        return self._look(has_more=left <= 0, wakes_at=wakes_at)

    # -- what the time brings ------------------------------------------------------------------------------------

    def _see_what_the_time_brings(self) -> None:
        outage = self._outage
        if is_over(outage):
            if outage.settled_at is None:
                self._settle()
            return
        if outage.announced_at is None and outage.lists_done > 0 and self._at >= self._announcement():
            self._announce()
        if outage.began_at is None and outage.announced_at is not None and self._at >= outage.starts_at:
            outage.began_at = self._at
            want_round(outage)
            tell(self._session, outage.process_id, "outage_began", at=self._at)
        overrun_at = self._overrun_at()
        if overrun_at is not None and self._at >= overrun_at:
            outage.overruns, outage.overruns_in_window = outage.overruns + 1, outage.overruns_in_window + 1
            want_round(outage)
            key = f"outage_overrun:{outage.overruns}"
            facts = {"ends_at": outage.ends_at.isoformat()}
            tell(self._session, outage.process_id, "outage_overrun", key=key, at=self._at, facts=facts)

    def _announcement(self) -> datetime:
        """When it is time to speak of it: an emergency at once, works long enough before, and at their start."""
        outage, settings = self._outage, self._settings
        if outage.kind is OutageKind.EMERGENCY:
            return outage.registered_at
        hours = TalkingHours(
            zone=settings.zone, quiet_from=settings.sms_quiet_from, quiet_until=settings.sms_quiet_until,
            weekdays_only=settings.sms_weekdays_only, holidays=_HOLIDAYS,
        )  # fmt: skip
        sending = _SENDING_BEGINS_WITHIN + timedelta(seconds=outage.listed / settings.sms_per_second)
        return announce_at(outage.starts_at, notice=self._policy.notice, sending=sending, hours=hours)

    def _announce(self) -> None:
        outage = self._outage
        outage.announced_at = self._at
        if self._at > outage.registered_at and outage.kind is OutageKind.PLANNED:
            # Who came or went since it was registered: the round follows the listing.
            want_listing(outage)
        else:
            want_round(outage)

    def _overrun_at(self) -> datetime | None:
        """When those affected are to hear that it takes longer than expected."""
        outage, policy = self._outage, self._policy
        if outage.began_at is None or outage.overruns_in_window >= policy.overruns_at_most:
            return None
        return outage.ends_at + policy.overrun_after + outage.overruns_in_window * policy.overrun_every

    def _settle(self) -> None:
        outage = self._outage
        outage.settled_at = self._at
        want_round(outage)
        if outage.called_off_at is not None:
            outage.lists_done, outage.list_after, outage.credit_after = outage.lists_wanted, None, None
        released = dunning_holds.release(self._session, outage.process_id, at=self._at)
        if released:
            facts = {"accounts": released}
            tell(self._session, outage.process_id, "outage_dunning_goes_on", at=self._at, facts=facts)

    # -- the pieces ----------------------------------------------------------------------------------------------

    def _next_piece(self, size: int) -> int | None:
        """Do a piece of work; answers how much it was, none where there is none."""
        outage, session, at = self._outage, self._session, self._at
        if outage.lists_done < outage.lists_wanted:
            return outage_listing.list_part(session, outage, size=size, at=at)
        if outage.round_no < outage.rounds_wanted:
            outage_round.begin_round(session, outage, at=at)
        if outage.round_after is not None:
            return max(outage_round.tell_part(session, outage, size=size, at=at, zone=self._settings.zone), 1)
        if outage.settled_at is not None and outage.credit_after is not None:
            return self._credit(outage.credit_after, size)
        return None

    def _credit(self, after: int, size: int) -> int:
        outage = self._outage
        part = outage_credits.credit_part(
            self._session, outage.process_id, after=after, size=size, at=self._at, rule=self._policy.credit,
            zone=self._settings.zone,
        )  # fmt: skip
        outage.credit_after = part.next_position
        outage.credited += part.credited
        outage.credited_minor += part.credited_minor
        if part.next_position is None and outage.credited:
            facts = {"services": outage.credited, "sum_minor": outage.credited_minor}
            tell(self._session, outage.process_id, "outage_credited", at=self._at, facts=facts)
        return size

    # -- the end -------------------------------------------------------------------------------------------------

    def _close_unless_sms_are_on_their_way(self) -> datetime | None:
        """Close it with its figures; or answer when to look again for what becomes of its SMS."""
        outage, at = self._outage, self._at
        assert outage.settled_at is not None, "it is over"
        figures = delivery_figures(
            self._session, outage.process_id, key_prefix=outage_round.key_prefix(outage.process_id)
        )  # fmt: skip
        until = min(self._sms_are_awaited_until(figures), outage.settled_at + self._policy.figures_within)
        if at < until:
            pause = max(_FIRST_PAUSE, min(at - outage.settled_at, _LONGEST_PAUSE))
            return min(at + pause, until)
        self._close(figures)
        return None

    def _sms_are_awaited_until(self, figures: DeliveryFigures) -> datetime:
        assert self._outage.settled_at is not None, "it is over"
        if figures.queued or is_believed(self._session, self._outage.process_id):
            return datetime.max.replace(tzinfo=self._at.tzinfo)
        last_sent_at: datetime | None = self._session.scalar(
            select(func.max(Message.attempted_at)).where(
                Message.process_id == self._outage.process_id, Message.status == MessageStatus.SENT
            )
        )
        return self._outage.settled_at if last_sent_at is None else last_sent_at + self._policy.receipts_within

    def _close(self, figures: DeliveryFigures) -> None:
        outage, session, at = self._outage, self._session, self._at
        withdraw_forgotten(session, outage.process_id, at=at)
        told = figures.queued + figures.sent + figures.delivered + figures.failed
        facts = {
            **figures.model_dump(), "told": told, "services": outage_listing.count(session, outage.process_id).services,
            "credited_services": outage.credited, "credited_minor": outage.credited_minor,
        }  # fmt: skip
        tell(session, outage.process_id, "outage_closed", at=at, facts=facts)
        outage.closed_at = at
        close(session, outage.process_id, self._status(), at=at, reason=self._close_reason())

    def _status(self) -> ProcessStatus:
        return ProcessStatus.COMPLETED if self._outage.ended_at is not None else ProcessStatus.CANCELLED

    def _close_reason(self) -> str | None:
        """Why it did not take place, as whoever cancelled it said."""
        if self._outage.called_off_at is None:
            return None
        asked = (
            select(TimelineEntry.facts["reason"].astext)
            .where(TimelineEntry.process_id == self._outage.process_id, TimelineEntry.event == "cancel_requested")
            .order_by(TimelineEntry.at)
            .limit(1)
        )
        return self._session.scalar(asked) or "called off"

    # -- where it stands -----------------------------------------------------------------------------------------

    def _stage(self) -> OutageStage:
        outage = self._outage
        if outage.closed_at is not None:
            return OutageStage.CLOSED
        if outage.settled_at is not None:
            return OutageStage.SETTLEMENT
        if outage.lists_done == 0:
            return OutageStage.LISTING
        if outage.began_at is not None:
            return OutageStage.UNDER_WAY
        return OutageStage.WAITING if outage.announced_at is None else OutageStage.ANNOUNCED

    def _waiting_for(self) -> str | None:
        return {
            OutageStage.WAITING: "announcement", OutageStage.ANNOUNCED: "start", OutageStage.UNDER_WAY: "end",
            OutageStage.SETTLEMENT: "sms",
        }.get(self._stage())  # fmt: skip

    def _stand(self) -> None:
        stage = self._stage()
        process = self._session.get_one(Process, self._outage.process_id)
        if process.stage != stage:
            enter_stage(
                self._session, process.id, stage, at=self._at,
                waiting_for=None if stage is OutageStage.CLOSED else self._waiting_for(),
            )  # fmt: skip
            self._session.expire(process)

    def _wakes_at(self) -> datetime | None:
        outage = self._outage
        if outage.announced_at is None:
            return min(self._announcement(), outage.starts_at)
        if outage.began_at is None:
            return outage.starts_at
        return outage.ends_at if self._at < outage.ends_at else self._overrun_at()

    def _look(self, *, has_more: bool, wakes_at: datetime | None) -> OutageLook:
        outage = self._outage
        is_closed = outage.closed_at is not None
        end_wanted = None
        if outage.began_at is not None and not is_over(outage) and self._at >= outage.ends_at:
            end_wanted = EndWanted(window=outage.window, within=self._policy.new_end_within)
        return OutageLook(
            stage=self._stage(),
            waiting_for=self._waiting_for(),
            has_more=has_more and not is_closed,
            wakes_at=wakes_at if is_over(outage) or has_more else self._wakes_at(),
            end_wanted=end_wanted,
            is_over=is_over(outage),
            ended_as=self._status() if is_closed else None,
            progress=progress_of(outage),
        )


def progress_of(outage: Outage) -> OutageProgress:
    """How far the process has come with an outage."""
    return OutageProgress(
        listed=outage.listed,
        looked_at=outage.listed if outage.round_after is None else outage.round_after,
        told=sum(outage.told_in_round.values()),
        credit_looked_at=outage.listed if outage.credit_after is None else outage.credit_after,
        credited=outage.credited,
        credited_minor=outage.credited_minor,
    )
