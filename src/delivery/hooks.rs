//! The facility's own programs before and after steps. Each is a unit of its step: once the journal has it as
//! done, it does not run again in this delivery, also after a kill.

use super::attempt::StepResult;
use super::attempt_error::{AttemptError, HookError};
use super::execute::DeliveryRun;
use crate::config::{Hook, When};
use crate::domain::{Step, StepStatus, Unit};
use crate::hooks::{self, Command, Facts};
use crate::journal::{JournalError, StepRow};
use futures::FutureExt;

/// The exit code with which a program asks to be run again later (sysexits.h: EX_TEMPFAIL).
const TRY_AGAIN: i32 = 75;

fn unit(hook: &Hook) -> Unit {
    Unit::Hook(hook.name().to_owned())
}

impl DeliveryRun<'_> {
    /// Runs a step's work between its hooks: the work begins when the hooks before it have succeeded, and the
    /// hooks after it run when the work has.
    pub(super) async fn with_hooks(
        &self,
        step: Step,
        work: impl Future<Output = Vec<StepResult>>,
    ) -> Vec<StepResult> {
        let hooks: Vec<&Hook> =
            self.deliverer.config.hooks.iter().filter(|hook| hook.step() == step).collect();
        if hooks.is_empty() {
            return work.await;
        }
        self.progress.expect(step, hooks.iter().copied().map(unit));
        let before = self.hooks(step, &hooks, When::Before).await;
        if !before.is_empty() {
            self.not_run(step, &hooks, When::After, "not run");
            return before;
        }
        let mut ended = work.await;
        if ended.is_empty() {
            ended.extend(self.hooks(step, &hooks, When::After).await);
        } else {
            self.not_run(step, &hooks, When::After, "not run: the step did not succeed");
        }
        ended
    }

    /// Runs the hooks one after the other, until a required one fails.
    async fn hooks(&self, step: Step, hooks: &[&Hook], when: When) -> Vec<StepResult> {
        let mut of_now = hooks.iter().filter(|hook| hook.when() == when);
        while let Some(hook) = of_now.next() {
            let once = |attempt| self.hook(step, hook, attempt).boxed();
            if let Err(ended) = self.attempts.until_true(step, &unit(hook), once).await {
                for left in of_now {
                    self.progress.show(step, &unit(left), StepStatus::Skipped, "not run");
                }
                return vec![ended];
            }
        }
        vec![]
    }

    fn not_run(&self, step: Step, hooks: &[&Hook], when: When, why: &str) {
        for hook in hooks.iter().filter(|hook| hook.when() == when) {
            self.progress.show(step, &unit(hook), StepStatus::Skipped, why);
        }
    }

    async fn hook(&self, step: Step, hook: &Hook, attempt: u32) -> Result<(), AttemptError> {
        let unit = &unit(hook);
        let row = self.hook_row(step, unit).await?;
        if let Some(row) =
            row.as_ref().filter(|row| matches!(row.status, StepStatus::Done | StepStatus::Skipped))
        {
            self.progress.show(step, unit, row.status, &row.message);
            return Ok(());
        }
        let attempts = attempt
            .max(row.map_or(0, |row| u32::try_from(row.attempts).unwrap_or(u32::MAX)).saturating_add(1));
        self.progress.note(step, unit, StepStatus::Running, attempts, "running", &[]).await?;
        match self.run_hook(step, hook, attempts).await {
            Ok(message) => self.progress.note(step, unit, StepStatus::Done, attempts, &message, &[]).await?,
            Err(error) if hook.required() => return Err(error.into()),
            Err(error) => {
                tracing::error!(%step, %unit, "{error}");
                let message = format!("failed: {error}");
                self.progress.note(step, unit, StepStatus::Skipped, attempts, &message, &[]).await?;
            }
        }
        Ok(())
    }

    async fn hook_row(&self, step: Step, unit: &Unit) -> Result<Option<StepRow>, JournalError> {
        let rows = self.deliverer.journal().steps_in(self.delivery.number).await?;
        Ok(rows.into_iter().find(|row| row.step == step && row.unit == *unit))
    }

    /// Runs the program. Returns its last line, for people.
    async fn run_hook(&self, step: Step, hook: &Hook, attempt: u32) -> Result<String, HookError> {
        let name = hook.name();
        let command = Command::parse(&hook.command).map_err(HookError::Command)?;
        let program = command.program().to_owned();
        let facts = self.hook_facts(step, hook, attempt).await?;
        tracing::info!(%step, hook = name, attempt, "running {}", program.display());
        let log = |line: &str| tracing::info!(%step, hook = name, "{line}");
        let ended = match hooks::run(&command, &facts, hook.timeout, log).await {
            Ok(ended) => ended,
            Err(source) => return Err(HookError::Start { program, source }),
        };
        let said = if ended.last_line.is_empty() { String::new() } else { format!(": {}", ended.last_line) };
        match (ended.code(), ended.signal()) {
            (Some(0), _) if ended.last_line.is_empty() => Ok("done".to_owned()),
            (Some(0), _) => Ok(ended.last_line),
            (Some(TRY_AGAIN), _) => Err(HookError::TryAgain { program, code: TRY_AGAIN, said }),
            (Some(code), _) => Err(HookError::Failed { program, code, said }),
            (None, Some(signal)) => Err(HookError::Signal { program, signal, said }),
            (None, None) => Err(HookError::TimedOut { program, limit: hook.timeout, said }),
        }
    }

    async fn hook_facts(&self, step: Step, hook: &Hook, attempt: u32) -> Result<Facts, JournalError> {
        let config = &self.deliverer.config.file;
        let cause = serde_json::to_value(self.delivery.cause).ok();
        Ok(Facts {
            context: self.context().await?,
            paths: self.paths.iter().map(ToString::to_string).collect(),
            hook: hook.name(),
            when: match hook.when() {
                When::Before => "before",
                When::After => "after",
            },
            step: step.to_string(),
            delivery: self.delivery.number,
            cause: cause.as_ref().and_then(|cause| cause.as_str()).unwrap_or_default().to_owned(),
            attempt,
            config: config.canonicalize().unwrap_or_else(|_| config.clone()).display().to_string(),
        })
    }
}
