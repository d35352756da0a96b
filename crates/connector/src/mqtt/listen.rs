//! Reads one session: takes what the broker sends, and acknowledges what a checkpoint has.

use std::sync::Arc;

use rumqttc::v5::{
    Event,
    mqttbytes::v5::{Packet, Publish},
};
use tokio::sync::mpsc;

use super::{
    broker::Link,
    message::Received,
    position::Position,
    read::Reading,
    unacknowledged::{Arrival, Unacknowledged},
};
use crate::{
    ConnectorError,
    messages::{Delivery, Outlet, Retries},
};

/// The task that reads a session.
pub(super) struct Listen {
    pub(super) reading: Arc<Reading>,
    pub(super) position: Position,
    pub(super) outlet: Outlet<Received, Position>,
    /// Numbers up to which a checkpoint has messages.
    pub(super) kept: mpsc::UnboundedReceiver<u64>,
    pub(super) unacknowledged: Unacknowledged,
    /// Whether the broker keeps messages while nobody listens.
    pub(super) is_lasting: bool,
    /// Messages that come together at most.
    pub(super) batch: usize,
    pub(super) retries: Retries,
}

impl Listen {
    /// Reads for ever.
    pub(super) async fn run(mut self) -> Result<(), ConnectorError> {
        loop {
            let mut link = self.reading.connect(&self.position.client, self.is_lasting)?;
            let Err(error) = self.listen(&mut link).await;
            self.retries.after(error).await?;
        }
    }

    /// Reads until something breaks.
    async fn listen(&mut self, link: &mut Link) -> Result<std::convert::Infallible, ConnectorError> {
        loop {
            let event = tokio::select! {
                event = link.next() => event?,
                // Nobody says so any more when the job ends.
                Some(number) = self.kept.recv() => {
                    self.acknowledge(link, number).await?;
                    continue;
                }
            };
            let mut messages = Vec::new();
            let mut next = Some(Ok(event));
            // What came before something broke is handed over all the same: it is counted as taken.
            let mut broken = None;
            while let Some(event) = next {
                let taken = match event {
                    Ok(event) => self.on_event(link, event, &mut messages).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = taken {
                    broken = Some(error);
                    break;
                }
                next = if messages.len() < self.batch {
                    link.try_next()
                } else {
                    None
                };
            }
            if !messages.is_empty() {
                self.hand_over(messages).await;
            }
            if let Some(error) = broken {
                return Err(error);
            }
        }
    }

    async fn on_event(
        &mut self,
        link: &mut Link,
        event: Event,
        messages: &mut Vec<Received>,
    ) -> Result<(), ConnectorError> {
        match event {
            Event::Incoming(Packet::ConnAck(answer)) => {
                if self.is_lasting && self.position.taken > 0 && !answer.session_present {
                    tracing::warn!(
                        "the MQTT broker has forgotten the session of client '{}': messages that came meanwhile are lost",
                        self.position.client
                    );
                }
                self.unacknowledged.reconnected(answer.session_present);
                link.listen(self.reading.filters(self.is_lasting)).await
            }
            Event::Incoming(Packet::SubAck(answer)) => {
                self.retries.reset();
                link.check_listens(&answer)
            }
            Event::Incoming(Packet::Publish(publish)) => {
                match self.unacknowledged.arrive(&publish) {
                    Arrival::New => messages.push(self.take(publish)),
                    Arrival::Known => {}
                    Arrival::Kept => self.send_acknowledgement(link, &publish).await?,
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, publish: Publish) -> Received {
        self.position.taken += 1;
        self.unacknowledged.take(self.position.taken, &publish);
        Received(publish)
    }

    async fn acknowledge(&mut self, link: &mut Link, number: u64) -> Result<(), ConnectorError> {
        for publish in self.unacknowledged.keep(number) {
            self.send_acknowledgement(link, &publish).await?;
        }
        Ok(())
    }

    async fn send_acknowledgement(&self, link: &mut Link, publish: &Publish) -> Result<(), ConnectorError> {
        match link.client.ack(publish).await {
            Ok(()) => Ok(()),
            Err(_) => Err(ConnectorError::external("the connection to MQTT broke")),
        }
    }

    async fn hand_over(&mut self, messages: Vec<Received>) {
        let delivery = Delivery {
            messages,
            position: self.position.clone(),
            lag: None,
            is_last: false,
        };
        self.outlet.send(delivery).await;
    }
}
