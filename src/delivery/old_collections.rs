//! Collections and directories that the settings no longer name. People who have left the experiment lose the
//! access that beamshare gave them there, too; the others keep it, since the data may be only there.

use super::attempt::StepResult;
use super::collection::Collection;
use super::execute::DeliveryRun;
use super::person::Person;
use super::share::{AccessInspection, is_taken_back};
use super::shared::Shared;
use crate::config;
use crate::domain::{Step, StepStatus, Unit};
use crate::journal::AccessRow;
use futures::FutureExt;
use globus_transfer_client::ErrorKind;
use std::collections::BTreeMap;
use uuid::Uuid;

impl DeliveryRun<'_> {
    /// Takes back access on old collections. `looked` is the inspection of the present first collection.
    pub(super) async fn take_back_from_old_collections(
        &self,
        first: &Shared<'_>,
        people: &[Person],
        looked: &AccessInspection,
    ) -> Vec<StepResult> {
        let mut former: BTreeMap<Uuid, Vec<AccessRow>> = BTreeMap::new();
        let is_present = |row: &AccessRow| {
            first.has(row) || self.deliverer.replicas.iter().any(|copy| copy.collection().has(row))
        };
        for row in looked.rows.iter().filter(|row| is_taken_back(row, people, looked) && !is_present(row)) {
            former.entry(row.collection).or_default().push(row.clone());
        }
        let mut ended = vec![];
        for (id, rows) in former {
            ended.extend(self.take_back_on(first.collection, id, &rows, looked).await.err());
        }
        ended
    }

    async fn take_back_on(
        &self,
        present: &Collection,
        id: Uuid,
        rows: &[AccessRow],
        looked: &AccessInspection,
    ) -> Result<(), StepResult> {
        let settings = config::Globus { collection: id, top: "/".to_owned(), ..present.settings().clone() };
        let collection = Collection::new(present.client().clone(), &settings);
        let unit = &Unit::OldCollection(id);
        self.progress.expect(Step::Share, [unit.clone()]);
        let once = |attempt| {
            let rules = collection.client().transfer();
            let collection = &collection;
            async move {
                self.progress.show(Step::Share, unit, StepStatus::Running, "looking at its access rules");
                let (rules, message) = match rules.access_rules(id).list().await {
                    Ok(listed) => (Some(listed.rules), ""),
                    // Nobody reads a collection that is gone.
                    Err(error) if *error.kind() == ErrorKind::NotFound => (None, "is not there any more"),
                    Err(error) => return Err(collection.step_error(&error).into()),
                };
                self.progress.note(Step::Share, unit, StepStatus::Done, attempt, message, &[]).await?;
                Ok(rules)
            }
            .boxed()
        };
        let Some(rules) = self.attempts.until_true(Step::Share, unit, once).await? else { return Ok(()) };
        let looked = AccessInspection { rules, ..looked.clone() };
        let shared = Shared::first(&collection, &[]);
        for row in rows {
            self.take_back(&shared, row, &looked).await?;
        }
        Ok(())
    }
}
