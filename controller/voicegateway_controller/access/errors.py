"""What goes wrong when somebody says who they are."""

from voicegateway_controller.errors import Forbidden, Overloaded, Unauthenticated


class UnknownToken(Unauthenticated):
    """A token or cookie that was never given out, or a wrong secret: what a guess looks like."""


class TooManyGuesses(Overloaded):
    """So many wrong tokens came from an address, or for one token's id, that no more are looked at for a while."""

    code = "too_many_guesses"


class CrossSite(Forbidden):
    """A browser's cookie came with a change that no page of ours asked for."""

    code = "cross_site"


class SignInFailed(Unauthenticated):
    """The provider's answer does not prove who the person is; the message says what is wrong with it."""

    code = "sign_in_failed"


class UnknownPerson(Forbidden):
    """The person is who they say, but no rule gives them a role here."""

    code = "unknown_person"


class ProviderUnavailable(Overloaded):
    """The sign-in provider cannot be asked right now; tokens go on working."""

    code = "sign_in_provider_unavailable"
