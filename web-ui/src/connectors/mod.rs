//! Connectors: what tables can be made of, and tables tried before a job uses them.
//!
//! - [`page`]: all connectors, one of them open.
//! - [`form`]: a form of a connector's options, and the statement that it makes.
//! - [`trial`]: what came of testing the statement.

mod form;
mod page;
mod trial;

pub(crate) use self::page::ConnectorsPage;
