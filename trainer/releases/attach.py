"""The chores about releases for an ingest worker: put together here, run between its messages."""

from __future__ import annotations

from dataclasses import replace

from edge.adapters.mqtt import LinkSettings, MqttLink, Subscription
from edge.contract.topics import Topics
from trainer.ingest.chores import Chore
from trainer.releases.assemble import Places, key_folders, releaser_of, rollout_rules
from trainer.releases.repository import Repository
from trainer.releases.upkeep import Renewals, Rollouts, UpkeepRules
from trainer.settings import TrainerSettings
from trainer.store.store import FleetStore

_ROLLOUTS_EVERY_S, _RENEW_EVERY_S = 5.0, 600.0


class ReleaseUpkeep:
    """Rollouts and renewals of one worker. link: how it reaches the broker; notices have a connection of their own."""

    def __init__(self, settings: TrainerSettings, store: FleetStore, link: LinkSettings) -> None:
        keys, topics = key_folders(settings), Topics(settings.mqtt.base)
        own = replace(link, client_id=f"{link.client_id}-releases", session_expiry_s=0)
        heard = (Subscription(topics.filter("update_notice"), retained=True),)
        rules = UpkeepRules(rollout_rules(settings.releases), settings.releases.spread_s)
        self._rollouts = Rollouts(store, lambda: MqttLink(own, heard), topics, rules)
        repository = Repository(Places.of(settings).repository)
        self._renewals = Renewals(releaser_of(settings, store, keys), lambda: repository.exists, keys.roles)

    def chores(self) -> tuple[Chore, ...]:
        """For the worker's turns."""
        return (
            Chore("looking after rollouts", _ROLLOUTS_EVERY_S, self._rollouts.turn),
            Chore("renewing signatures", _RENEW_EVERY_S, self._renewals.turn),
        )

    def close(self) -> None:
        """Stop telling doors."""
        self._rollouts.close()
