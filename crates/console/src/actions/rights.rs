//! Who may do what: one pure function.

use store::operators::Role;

/// What gives somebody the right to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// The role of whoever signed in, or came with a token.
    Role(Role),
    /// The database's password, which a subcommand needs anyway.
    Command,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the word below")]
pub enum Action {
    SignIn,
    SignOut,
    OwnPassword,
    PauseSupplier,
    ResumeSupplier,
    PauseLane,
    ResumeLane,
    PauseEndpoint,
    ResumeEndpoint,
    Resend,
    PauseJob,
    ResumeJob,
    CancelJob,
    CancelOrder,
    ProposeDoubt,
    ConfirmDoubt,
    SettleDoubt,
    RequeueParked,
    DropParked,
    ImportCatalogue,
    SealSecrets,
    AddOperator,
    SetRole,
    SetActive,
    SetPassword,
    AddToken,
    RevokeToken,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::SignIn,
        Self::SignOut,
        Self::OwnPassword,
        Self::PauseSupplier,
        Self::ResumeSupplier,
        Self::PauseLane,
        Self::ResumeLane,
        Self::PauseEndpoint,
        Self::ResumeEndpoint,
        Self::Resend,
        Self::PauseJob,
        Self::ResumeJob,
        Self::CancelJob,
        Self::CancelOrder,
        Self::ProposeDoubt,
        Self::ConfirmDoubt,
        Self::SettleDoubt,
        Self::RequeueParked,
        Self::DropParked,
        Self::ImportCatalogue,
        Self::SealSecrets,
        Self::AddOperator,
        Self::SetRole,
        Self::SetActive,
        Self::SetPassword,
        Self::AddToken,
        Self::RevokeToken,
    ];

    /// As the audit keeps it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::SignOut => "sign-out",
            Self::OwnPassword => "own-password",
            Self::PauseSupplier => "supplier.pause",
            Self::ResumeSupplier => "supplier.resume",
            Self::PauseLane => "lane.pause",
            Self::ResumeLane => "lane.resume",
            Self::PauseEndpoint => "endpoint.pause",
            Self::ResumeEndpoint => "endpoint.resume",
            Self::Resend => "callback.resend",
            Self::PauseJob => "job.pause",
            Self::ResumeJob => "job.resume",
            Self::CancelJob => "job.cancel",
            Self::CancelOrder => "order.cancel",
            Self::ProposeDoubt => "doubt.propose",
            Self::ConfirmDoubt => "doubt.confirm",
            Self::SettleDoubt => "doubt.settle",
            Self::RequeueParked => "parked.requeue",
            Self::DropParked => "parked.drop",
            Self::ImportCatalogue => "catalog.import",
            Self::SealSecrets => "keys.seal",
            Self::AddOperator => "operator.add",
            Self::SetRole => "operator.role",
            Self::SetActive => "operator.active",
            Self::SetPassword => "operator.password",
            Self::AddToken => "token.add",
            Self::RevokeToken => "token.revoke",
        }
    }

    /// The least role that may do it.
    pub const fn least(self) -> Role {
        match self {
            Self::SignIn | Self::SignOut | Self::OwnPassword => Role::Viewer,
            Self::PauseSupplier
            | Self::ResumeSupplier
            | Self::PauseLane
            | Self::ResumeLane
            | Self::PauseEndpoint
            | Self::ResumeEndpoint
            | Self::Resend
            | Self::PauseJob
            | Self::ResumeJob
            | Self::CancelJob
            | Self::CancelOrder
            | Self::ProposeDoubt
            | Self::RequeueParked => Role::Operator,
            Self::ConfirmDoubt | Self::SettleDoubt | Self::DropParked => Role::Approver,
            Self::ImportCatalogue
            | Self::SealSecrets
            | Self::AddOperator
            | Self::SetRole
            | Self::SetActive
            | Self::SetPassword
            | Self::AddToken
            | Self::RevokeToken => Role::Admin,
        }
    }

    /// The subcommand of `refill` that does it; none signs anybody in, or changes a password for whoever knows the old one.
    pub const fn command(self) -> Option<&'static str> {
        Some(match self {
            Self::SignIn | Self::SignOut | Self::OwnPassword => return None,
            Self::PauseSupplier => "supplier pause",
            Self::ResumeSupplier => "supplier resume",
            Self::PauseLane => "lane pause",
            Self::ResumeLane => "lane resume",
            Self::PauseEndpoint => "endpoint pause",
            Self::ResumeEndpoint => "endpoint resume",
            Self::Resend => "callback resend",
            Self::PauseJob => "callback pause",
            Self::ResumeJob => "callback resume",
            Self::CancelJob => "callback cancel",
            Self::CancelOrder => "order cancel",
            Self::ProposeDoubt => "doubt propose",
            Self::ConfirmDoubt => "doubt confirm",
            Self::SettleDoubt => "doubt settle",
            Self::RequeueParked => "queue requeue",
            Self::DropParked => "queue drop",
            Self::ImportCatalogue => "catalog import",
            Self::SealSecrets => "keys seal",
            Self::AddOperator => "operator add",
            Self::SetRole => "operator role",
            Self::SetActive => "operator disable",
            Self::SetPassword => "operator password",
            Self::AddToken => "operator token add",
            Self::RevokeToken => "operator token revoke",
        })
    }
}

/// Whether this right is enough for that action.
pub fn may(right: Right, action: Action) -> bool {
    match right {
        Right::Role(role) => role >= action.least(),
        Right::Command => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_changes_nothing_and_nobody_but_an_admin_says_who_may_what() {
        let may_do = |role| {
            let allowed = |action: &Action| may(Right::Role(role), *action);
            Action::ALL
                .into_iter()
                .filter(allowed)
                .map(Action::word)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            may_do(Role::Viewer),
            ["sign-in", "sign-out", "own-password"]
        );
        assert!(may_do(Role::Operator).contains(&"doubt.propose"));
        assert!(!may_do(Role::Operator).contains(&"doubt.confirm"));
        assert!(may_do(Role::Approver).contains(&"doubt.confirm"));
        assert!(
            !may_do(Role::Approver)
                .iter()
                .any(|word| word.starts_with("operator.") || word.starts_with("token."))
        );
        assert_eq!(may_do(Role::Admin).len(), Action::ALL.len());
        assert!(
            Action::ALL
                .into_iter()
                .all(|action| may(Right::Command, action))
        );
    }

    #[test]
    fn each_action_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> =
            Action::ALL.into_iter().map(Action::word).collect();
        assert_eq!(words.len(), Action::ALL.len());
    }
}
