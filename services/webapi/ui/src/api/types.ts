/** Names for the shapes of the contract (`schema.d.ts`), which is made from openapi.json. */
import type { components } from "./schema";

type Shapes = components["schemas"];

export type Aggregate = Shapes["Aggregate"];
export type Call = Shapes["Call"];
export type CallDetail = Shapes["CallDetail"];
export type Charge = Shapes["Charge"];
export type Choices = Shapes["Choices"];
export type CompletenessDay = Shapes["CompletenessDay"];
export type CompletenessLine = Shapes["CompletenessLine"];
export type ExplainedCharge = Shapes["ExplainedCharge"];
export type Figure = Shapes["Figure"];
export type Gap = Shapes["Gap"];
export type Group = Shapes["Group"];
export type Leg = Shapes["Leg"];
export type Me = Shapes["Me"];
export type Name = Shapes["Name"];
export type Party = Shapes["Party"];
export type Price = Shapes["Price"];
export type RawField = Shapes["RawField"];
export type RawLeg = Shapes["RawLeg"];
export type Step = Shapes["Step"];
export type Summary = Shapes["Summary"];
export type Check = Shapes["Check"];
export type PreviewLine = Shapes["PreviewLine"];
export type PreviewSummary = Shapes["PreviewSummary"];
export type Tariff = Shapes["Tariff"];
export type TariffFile = Shapes["FileBody"];
export type User = Shapes["User"];
export type Role = Shapes["NewUserBody"]["role"];
export type SuspenseGroup = Shapes["SuspenseGroup"];
export type SuspenseRecord = Shapes["Record"];
export type Job = Shapes["Job"];
export type Report = Shapes["Report"];
export type Trial = Shapes["Trial"];
export type Unit = Shapes["Unit"];
