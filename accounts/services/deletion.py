"""Accounts are deleted: refused and nameless at once, erased step by step.

1. In one transaction the row gives up its pair of issuer and subject, its name and all else that
   tells whose it was; a tombstone refuses the pair from then on; the erasing is scheduled. What
   refers to the row (entries on boards, matches others have played) stays, and is nobody's.
2. Each step erases one batch of one part, in a transaction of its own that also schedules the next
   step: a process that is killed leaves a step that was done, or one that will be.
3. A step that fails is tried again by ``resume_erasures``, until what stands in its way is mended.

Deletion waits for the player's own writes under way, as a ban does (see ``players``), so nothing is
written for the row once it is nobody's.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model

from accounts import rules
from accounts.errors import AccountDeletedError, StaffAccountError
from accounts.models import Ban, Erasure, Tombstone, User
from dust.identity import Identity
from dust.livequery import scheduler
from dust.livequery.purge import forget_requests

ERASE = "accounts:erase"
"""The function that is one step."""

PATIENCE = timedelta(minutes=10)
"""An erasing that has not got on for so long is taken up again."""

_MOST_RESUMED = 100

logger = logging.getLogger(__name__)

Erase = Callable[[UUID], bool]

_parts: dict[str, Erase] = {}


def register_part(name: str, erase: Erase) -> None:
    """Have ``erase`` delete what an app holds of a player, when their account is deleted.

    It is given the player's key, deletes one bounded batch and returns whether nothing is left.
    Each call has a transaction of its own, READ COMMITTED, and may come again after the last.

    :raises ValueError: if the name is taken.
    """
    if name in _parts:
        raise ValueError(f"There is a part named {name} already.")
    _parts[name] = erase


def delete_account(issuer: str, subject: str, *, at: datetime, now: datetime) -> None:
    """Refuse the pair from now on and begin to erase what is held; also of who never played.

    ``at`` is when the account was deleted, by the clock of whoever says so. Where there may be no
    row, the transaction must be serializable, as those of ``run_write`` are: or a first write that
    is could miss the tombstone.

    :raises AccountDeletedError: if it has been already.
    :raises StaffAccountError: if it is a member of staff.
    """
    if issuer == rules.STAFF_ISSUER:
        raise StaffAccountError
    with transaction.atomic():
        shell = _shell(issuer, subject, now=now)
        # Claims the pair as a first write does, so that neither overlooks the other.
        User.objects.bulk_create([shell], ignore_conflicts=True)
        held = User.objects.select_for_update().filter(issuer=issuer, subject=subject)
        user = held.first()
        if user is None:  # another deletion was first
            raise AccountDeletedError
        _put_tombstone(issuer, subject, at=at)
        if user.id == shell.id:
            user.delete()
        else:
            _make_nameless(user)
            owner = Identity(issuer, subject).key
            erasure = Erasure(user=user, owner=owner, requested_at=now, progressed_at=now)
            erasure.save(force_insert=True)
            _schedule(erasure, now=now)
    logger.info("account deleted", extra={"action": "accounts.delete", "user": str(user.id)})


def delete_player(user: User, *, reason: str, by: User, now: datetime) -> None:
    """Delete the account on somebody's behalf, which the admin's log will tell, and why.

    :raises InvalidBanError: if the reason is not acceptable.
    :raises AccountDeletedError: if it has been already.
    :raises StaffAccountError: if it is a member of staff.
    """
    if user.issuer == rules.DELETED_ISSUER:
        raise AccountDeletedError
    reason = rules.check_ban(reason=reason, until=None, now=now)
    with transaction.atomic():
        delete_account(user.issuer, user.subject, at=now, now=now)
        user.username = rules.DELETED_USERNAME
        message = f"Account deleted: {reason}"
        LogEntry.objects.log_actions(by.id, [user], DELETION, change_message=message)


def lift_tombstone(issuer: str, subject: str, *, at: datetime) -> None:
    """Let the pair in again, as anybody new, if it was announced anew after it was deleted."""
    tombstones = Tombstone.objects.select_for_update()
    tombstone = tombstones.filter(issuer=issuer, subject=subject).first()
    if tombstone is None or tombstone.lifted_at is not None or at < tombstone.deleted_at:
        return
    tombstone.lifted_at = at
    tombstone.save(update_fields=["lifted_at"])


def erase_next(erasure_id: UUID, *, now: datetime) -> bool:
    """Erase one batch and schedule the next step; return whether nothing is left."""
    with transaction.atomic():
        unfinished = Erasure.objects.select_for_update().filter(finished_at__isnull=True)
        erasure = unfinished.filter(id=erasure_id).first()
        if erasure is None:
            return True
        # Apps register in the order in which they stand on each other. What refers to other rows
        # goes before them, or it would go with them, all at once.
        names = list(reversed(_parts))
        part = erasure.part if erasure.part in _parts else names[0]
        if _parts[part](erasure.user_id):
            part = next(iter(names[names.index(part) + 1 :]), "")
            erasure.finished_at = None if part else now
        erasure.part, erasure.progressed_at = part, now
        erasure.save(update_fields=["part", "progressed_at", "finished_at"])
        if part:
            _schedule(erasure, now=now)
    return not part


def resume_erasures(*, now: datetime) -> int:
    """Schedule the next step of erasings that have not got on for a while; return how many."""
    with transaction.atomic():
        stuck = Erasure.objects.select_for_update(skip_locked=True)
        stuck = stuck.filter(finished_at__isnull=True, progressed_at__lt=now - PATIENCE)
        erasures = list(stuck.order_by("progressed_at")[:_MOST_RESUMED])
        for erasure in erasures:
            erasure.progressed_at = now
            erasure.save(update_fields=["progressed_at"])
            _schedule(erasure, now=now)
    if erasures:
        logger.warning(
            "erasures resumed", extra={"action": "accounts.erase", "count": len(erasures)}
        )
    return len(erasures)


def erase_account(user_id: UUID) -> bool:
    """Erase what this app holds beside the row: bans, and the name in the admin's log."""
    Ban.objects.filter(user_id=user_id).delete()
    rename_in_log(User, [user_id], rules.DELETED_USERNAME)
    return True


def erase_requests(user_id: UUID) -> bool:
    """Delete some of what is stored to answer the player's requests again; return whether all."""
    erasure = Erasure.objects.get(user_id=user_id)
    if erasure.owner and not forget_requests(erasure.owner):
        return False
    erasure.owner = ""
    erasure.save(update_fields=["owner"])
    return True


def rename_in_log(model: type[Model], ids: Iterable[UUID], name: str) -> None:
    """Have the admin's log call these rows by a name that says nothing of their player."""
    about = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(model),
        object_id__in=[str(each) for each in ids],
    )
    about.update(object_repr=name)


def _shell(issuer: str, subject: str, *, now: datetime) -> User:
    shell = User(issuer=issuer, subject=subject, username=rules.DELETED_USERNAME, created_at=now)
    shell.set_unusable_password()
    return shell


def _put_tombstone(issuer: str, subject: str, *, at: datetime) -> None:
    tombstones = Tombstone.objects.select_for_update()
    tombstone = tombstones.filter(issuer=issuer, subject=subject).first()
    if tombstone is None:
        Tombstone.objects.create(issuer=issuer, subject=subject, deleted_at=at)
        return
    if tombstone.lifted_at is None:
        raise AccountDeletedError
    tombstone.deleted_at, tombstone.lifted_at = at, None
    tombstone.save(update_fields=["deleted_at", "lifted_at"])


def _make_nameless(user: User) -> None:
    user.issuer, user.subject = rules.DELETED_ISSUER, user.id.hex
    user.username, user.avatar_url = rules.DELETED_USERNAME, ""
    user.email, user.announced_at, user.last_login = "", None, None
    user.is_staff = user.is_superuser = False
    user.set_unusable_password()
    user.save()
    user.groups.clear()
    user.user_permissions.clear()


def _schedule(erasure: Erasure, *, now: datetime) -> None:
    scheduler.schedule(ERASE, {"erasure": erasure.id.hex}, at=now)
