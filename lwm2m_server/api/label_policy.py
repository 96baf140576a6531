"""What a label allows, as the CA API reads and writes it (docs/reference/ca-api.md)."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from enrollment.register import MAX_KEYS, LabelPolicy
from lwm2m_server.problem import invalid

_Count = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]


class PolicyBody(BaseModel):
    """A `LabelPolicy` as JSON; what is left out has its default."""

    model_config = ConfigDict(extra="forbid")

    max_devices: _Count | None = None
    max_keys: Annotated[int, Field(strict=True, ge=1, le=MAX_KEYS)] = MAX_KEYS
    not_after: AwareDatetime | None = None
    server_keys: Annotated[bool, Field(strict=True)] = False
    device_rate: _Count = LabelPolicy().device_rate
    label_rate: _Count = LabelPolicy().label_rate

    @classmethod
    def of(cls, policy: LabelPolicy) -> PolicyBody:
        """Return the body that describes a policy."""
        return cls(**{name: getattr(policy, name) for name in cls.model_fields})

    def policy(self) -> LabelPolicy:
        """Return the policy, its end in whole seconds."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        end = None if self.not_after is None else self.not_after.astimezone(UTC).replace(microsecond=0)
        return LabelPolicy(**fields | {"not_after": end})


def read_policy(body: bytes) -> LabelPolicy:
    """Return the policy in a request's body; raise `Problem` for any other body."""
    try:
        return PolicyBody.model_validate_json(body).policy()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
        raise invalid(f"no policy of a label: {wrong}"[:1000], code="policy") from error
    except (ValueError, OverflowError) as error:
        raise invalid(f"no policy of a label: {error}", code="policy") from error
