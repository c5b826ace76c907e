import { answered, api } from "@/api/client";
import type { Job } from "@/api/types";

export type Turn = "pause" | "resume" | "cancel";

export function turn({ name, to }: { name: string; to: Turn }): Promise<Job> {
  return answered(api.POST("/api/v1/jobs/{name}/{turn}", { params: { path: { name, turn: to } } }));
}

/** What may be asked of a job in its state; the server is the judge. */
export function turnsOf(job: Job): readonly Turn[] {
  const turns = turnsOfState(job);
  return job.kind === "erase" ? turns.filter((turn) => turn !== "cancel") : turns;
}

function turnsOfState(job: Job): readonly Turn[] {
  switch (job.state) {
    case "waiting":
    case "running":
      return ["pause", "cancel"];
    case "pausing":
    case "paused":
    case "failed":
      return ["resume", "cancel"];
    default:
      return [];
  }
}
