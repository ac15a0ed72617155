"""The steps of dunning, each one transaction; calls to the network are outside of any."""

from uuid import UUID

from temporalio import activity

from activities import dunning_look, dunning_restrictions, dunning_round, promises
from activities.dunning_restrictions import Wanted
from activities.gateways.network import NetworkGateway
from activities.heartbeats import heartbeating
from activities.processes import reason_of, tell
from models.contracts.dunning_process import Look, NetworkRefused, RoundInput, RoundPart
from models.contracts.dunning_words import Restriction
from models.contracts.refusals import Refusal
from models.contracts.steps import ClosingStep, ProcessStep
from models.database import Database
from models.tables.dunning import DunningEpisode
from settings import Settings


class DunningActivities:
    """What the workflow `Dunning` has done for it. Repeating a step changes nothing."""

    def __init__(self, database: Database, gateway: NetworkGateway, settings: Settings) -> None:
        self._database = database
        self._gateway = gateway
        self._settings = settings

    @activity.defn(name="dunning.look")
    def look(self, step: ProcessStep) -> Look:
        """Look at all facts, and do what follows from them."""
        with self._database.transaction() as session:
            return dunning_look.look(session, step, self._settings)

    @activity.defn(name="dunning.cancel")
    def cancel(self, step: ClosingStep) -> Look:
        """End the episode because somebody wants so."""
        with self._database.transaction() as session:
            reason = reason_of(session, step)
            return dunning_look.cancel(session, step.process_id, reason=reason, at=step.at, settings=self._settings)

    @activity.defn(name="dunning.let_network_follow", no_thread_cancel_exception=True)
    def let_network_follow(self, step: ProcessStep) -> NetworkRefused | None:
        """Have the network do what the database says by now; answers what it can't do, for people to do by hand.

        What is wanted is read again after each call, until it is what was just done: so whichever attempt is last, even
        one that was given up for dead, leaves the service as it is wanted.
        """
        with self._database.transaction() as session:
            account_id = session.get_one(DunningEpisode, step.process_id).account_id
        done: dict[UUID, Wanted] = {}
        refused: dict[UUID, NetworkRefused] = {}
        while True:
            with self._database.transaction() as session:
                wanted = dunning_restrictions.wanted(session, account_id, list(done))
            todo = [service for service in wanted if done.get(service.subscription_id) != service]
            if not todo:
                return next(iter(refused.values()), None)
            for service in todo:
                done[service.subscription_id] = service
                refused.pop(service.subscription_id, None)
                detail = self._let_follow(service, step)
                if detail is not None:
                    refused[service.subscription_id] = NetworkRefused(to=service.restriction, detail=detail)

    def _let_follow(self, service: Wanted, step: ProcessStep) -> str | None:
        event, facts, detail = "dunning_network_followed", {"to": service.restriction or "restored"}, None
        try:
            self._switch(service)
        except Refusal as refusal:
            detail = refusal.detail
            event, facts = "dunning_network_refused", {"detail": detail}
        with self._database.transaction() as session:
            dunning_restrictions.note_followed(session, service, at=step.at)
            key = f"network:{service.subscription_id}:{service.restriction}:{step.at.isoformat()}"
            tell(session, step.process_id, event, key=key, at=step.at, facts=facts)
        return detail

    def _switch(self, service: Wanted) -> None:
        if service.profile is None:
            return
        if service.restriction is Restriction.SUSPEND:
            self._gateway.suspend(service.subscription_id)
        elif service.restriction is Restriction.THROTTLE:
            self._gateway.change_profile(service.subscription_id, service.profile)
        else:
            self._gateway.switch_on(service.subscription_id, service.profile)


class DunningRoundActivities:
    """What the daily round of dunning has done, part by part."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name="dunning.begin_round")
    def begin_round(self, part: RoundInput) -> RoundPart:
        """Decide promises that are over, and close episodes whose workflow is gone."""
        with heartbeating(), self._database.transaction() as session:
            promises.decide(session, None, at=part.at)
            dunning_round.close_lost(session, part, self._settings)
            return RoundPart()

    @activity.defn(name="dunning.wake_part")
    def wake_part(self, part: RoundInput) -> RoundPart:
        """Wake open episodes for which there is something to do."""
        with heartbeating(), self._database.transaction() as session:
            return dunning_round.wake_part(session, part, self._settings)

    @activity.defn(name="dunning.open_part")
    def open_part(self, part: RoundInput) -> RoundPart:
        """Open episodes for new debts."""
        with heartbeating(), self._database.transaction() as session:
            return dunning_round.open_part(session, part, self._settings)
