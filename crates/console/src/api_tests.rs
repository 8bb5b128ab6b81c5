//! The API says what it is: its routes are those of its document, and no action of the pages was forgotten.

use std::collections::BTreeSet;

use super::*;

#[test]
fn the_document_tells_every_route_and_no_other() {
    let document = include_str!("../API.md");
    let rows = document.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", method @ ("GET" | "POST"), path, role, _, _, ""] => {
                let path = path.trim_matches('`');
                Some(format!("{method} {path} {role}"))
            }
            _ => None,
        }
    });
    let written: Vec<String> = rows.collect();
    let routes = routes().into_iter();
    let served: Vec<String> = routes
        .map(|route| format!("{} {} {}", route.method, route.path, route.least.word()))
        .collect();
    assert!(served.len() > 30);
    assert_eq!(written, served);
}

/// Whether a program may do it; what stands in no page does not stand here either.
const fn is_for_programs(action: Action) -> bool {
    match action {
        // A person signs in with a password, and only a person changes one; the rest is done by command only.
        Action::SignIn
        | Action::SignOut
        | Action::OwnPassword
        | Action::SetPassword
        | Action::SettleDoubt
        | Action::ImportCatalogue
        | Action::SealSecrets
        | Action::AddToken
        | Action::RevokeToken => false,
        Action::PauseSupplier
        | Action::ResumeSupplier
        | Action::PauseLane
        | Action::ResumeLane
        | Action::PauseEndpoint
        | Action::ResumeEndpoint
        | Action::Resend
        | Action::PauseJob
        | Action::ResumeJob
        | Action::CancelJob
        | Action::CancelOrder
        | Action::ProposeDoubt
        | Action::ConfirmDoubt
        | Action::RequeueParked
        | Action::DropParked
        | Action::AddOperator
        | Action::SetRole
        | Action::SetActive => true,
    }
}

#[test]
fn whatever_the_pages_do_is_done_by_api_and_by_command() {
    let routes = routes();
    let words = |actions: &mut dyn Iterator<Item = Action>| {
        actions.map(Action::word).collect::<BTreeSet<_>>()
    };
    let mut served = routes.iter().filter_map(|route| route.does);
    let mut meant = Action::ALL.into_iter().filter(|a| is_for_programs(*a));
    assert_eq!(words(&mut served), words(&mut meant));
    for route in &routes {
        assert_eq!(route.does.is_some(), route.method == Method::POST);
        let by_command = route.does.is_none_or(|action| action.command().is_some());
        assert!(by_command, "{} is done by no command", route.path);
    }
}

#[test]
fn no_path_is_named_twice() {
    let routes = routes();
    let named: BTreeSet<_> = routes
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(named.len(), routes.len());
}
