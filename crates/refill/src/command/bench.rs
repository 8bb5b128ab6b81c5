//! placeholder
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {}
pub(crate) async fn run(_: crate::settings::Settings, _: Flags) -> anyhow::Result<()> {
    anyhow::bail!("x")
}
