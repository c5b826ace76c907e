/** The addresses of the page, as one list. */
import { useLingui } from "@lingui/react/macro";
import {
  createRootRoute,
  createRoute,
  createRouter,
  Link,
  lazyRouteComponent,
  Navigate,
  Outlet,
} from "@tanstack/react-router";
import { PageHead } from "./design/Page";
import { Skeleton } from "./design/States";
import { SignedIn } from "./features/sign-in/SignedIn";
import { parseSearch, printSearch } from "./scope/use-scope";
import { AppShell } from "./shell/AppShell";
import { ProblemPanel } from "./shell/ProblemPanel";
import { FirstSetting } from "./shell/SettingsTabs";

const root = createRootRoute({ component: Outlet });

const inside = createRoute({
  getParentRoute: () => root,
  id: "in",
  component: () => (
    <SignedIn>
      {(me) => (
        <AppShell me={me}>
          <Outlet />
        </AppShell>
      )}
    </SignedIn>
  ),
});

const dashboard = createRoute({
  getParentRoute: () => inside,
  path: "/",
  component: lazyRouteComponent(
    () => import("./features/dashboard/DashboardPage"),
    "DashboardPage",
  ),
});

const calls = createRoute({
  getParentRoute: () => inside,
  path: "/calls",
  component: lazyRouteComponent(() => import("./features/calls/CallsPage"), "CallsPage"),
});

const call = createRoute({
  getParentRoute: () => inside,
  path: "/calls/$callId",
  component: lazyRouteComponent(() => import("./features/call/CallPage"), "CallPage"),
});

const completeness = createRoute({
  getParentRoute: () => inside,
  path: "/completeness",
  component: lazyRouteComponent(
    () => import("./features/completeness/CompletenessPage"),
    "CompletenessPage",
  ),
});

const tariffs = createRoute({
  getParentRoute: () => inside,
  path: "/tariffs",
  component: lazyRouteComponent(() => import("./features/tariffs/TariffsPage"), "TariffsPage"),
});

const tariffImport = createRoute({
  getParentRoute: () => inside,
  path: "/tariffs/import",
  component: lazyRouteComponent(() => import("./features/tariffs/ImportPage"), "ImportPage"),
});

const tariff = createRoute({
  getParentRoute: () => inside,
  path: "/tariffs/$uid/v/$number",
  component: lazyRouteComponent(() => import("./features/tariffs/TariffPage"), "TariffPage"),
});

const suspense = createRoute({
  getParentRoute: () => inside,
  path: "/suspense",
  component: lazyRouteComponent(() => import("./features/suspense/SuspensePage"), "SuspensePage"),
});

const record = createRoute({
  getParentRoute: () => inside,
  path: "/suspense/$suspenseId",
  component: lazyRouteComponent(() => import("./features/suspense/RecordPage"), "RecordPage"),
});

const duplicates = createRoute({
  getParentRoute: () => inside,
  path: "/suspense/twice",
  component: lazyRouteComponent(
    () => import("./features/suspense/DuplicatesPage"),
    "DuplicatesPage",
  ),
});

const workshop = createRoute({
  getParentRoute: () => inside,
  path: "/workshop",
  component: lazyRouteComponent(() => import("./features/workshop/WorkshopPage"), "WorkshopPage"),
});

const jobs = createRoute({
  getParentRoute: () => inside,
  path: "/jobs",
  component: lazyRouteComponent(() => import("./features/jobs/JobsPage"), "JobsPage"),
});

const job = createRoute({
  getParentRoute: () => inside,
  path: "/jobs/$name",
  component: lazyRouteComponent(() => import("./features/jobs/JobPage"), "JobPage"),
});

const directory = createRoute({
  getParentRoute: () => inside,
  path: "/directory",
  component: lazyRouteComponent(
    () => import("./features/directory/DirectoryPage"),
    "DirectoryPage",
  ),
});

const server = createRoute({
  getParentRoute: () => inside,
  path: "/server",
  component: lazyRouteComponent(() => import("./features/server/ServerPage"), "ServerPage"),
});

const settings = createRoute({
  getParentRoute: () => inside,
  path: "/settings",
  component: FirstSetting,
});

const keys = createRoute({
  getParentRoute: () => inside,
  path: "/settings/keys",
  component: lazyRouteComponent(() => import("./features/keys/KeysPage"), "KeysPage"),
});

const audit = createRoute({
  getParentRoute: () => inside,
  path: "/settings/audit",
  component: lazyRouteComponent(() => import("./features/audit/AuditPage"), "AuditPage"),
});

const people = createRoute({
  getParentRoute: () => inside,
  path: "/settings/people",
  component: lazyRouteComponent(() => import("./features/people/PeoplePage"), "PeoplePage"),
});

// where a provider leads back to after a refusal
const signedIn = createRoute({
  getParentRoute: () => inside,
  path: "/sign-in",
  component: () => <Navigate to="/" replace />,
});

const account = createRoute({
  getParentRoute: () => inside,
  path: "/settings/me",
  component: lazyRouteComponent(() => import("./features/account/AccountPage"), "AccountPage"),
});

const alerts = createRoute({
  getParentRoute: () => inside,
  path: "/alerts",
  component: lazyRouteComponent(() => import("./features/alerts/AlertsPage"), "AlertsPage"),
});

const alert = createRoute({
  getParentRoute: () => inside,
  path: "/alerts/$alertId",
  component: lazyRouteComponent(() => import("./features/alerts/AlertPage"), "AlertPage"),
});

const alertRules = createRoute({
  getParentRoute: () => inside,
  path: "/alerts/rules",
  component: lazyRouteComponent(() => import("./features/alerts/RulesPage"), "RulesPage"),
});

const alertRule = createRoute({
  getParentRoute: () => inside,
  path: "/alerts/rules/$ruleUid",
  component: lazyRouteComponent(() => import("./features/alerts/RulePage"), "RulePage"),
});

const reports = createRoute({
  getParentRoute: () => inside,
  path: "/reports",
  component: lazyRouteComponent(() => import("./features/reports/ReportsPage"), "ReportsPage"),
});

const units = createRoute({
  getParentRoute: () => inside,
  path: "/units",
  component: lazyRouteComponent(() => import("./features/units/UnitsPage"), "UnitsPage"),
});

const tryNumber = createRoute({
  getParentRoute: () => inside,
  path: "/try",
  component: lazyRouteComponent(() => import("./features/try/TryPage"), "TryPage"),
});

const elsewhere = createRoute({ getParentRoute: () => inside, path: "/$", component: NoSuchPage });

const welcome = createRoute({
  getParentRoute: () => root,
  path: "/welcome",
  component: lazyRouteComponent(() => import("./features/sign-in/WelcomePage"), "WelcomePage"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    inside.addChildren([
      dashboard,
      calls,
      call,
      tariffs,
      tariffImport,
      tariff,
      completeness,
      suspense,
      record,
      duplicates,
      workshop,
      jobs,
      job,
      directory,
      server,
      settings,
      people,
      account,
      signedIn,
      keys,
      audit,
      alerts,
      alert,
      alertRules,
      alertRule,
      reports,
      units,
      tryNumber,
      elsewhere,
    ]),
    welcome,
  ]),
  parseSearch,
  stringifySearch: printSearch,
  defaultPreload: "intent",
  defaultPendingComponent: () => <Skeleton lines={8} />,
  defaultErrorComponent: ({ error }) => (
    <ProblemPanel error={error instanceof Error ? error : new Error(String(error))} />
  ),
  scrollRestoration: true,
  defaultHashScrollIntoView: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

function NoSuchPage() {
  const { t } = useLingui();
  return (
    <PageHead title={t`There is no page at this address`}>
      <p>
        <Link to="/">{t`To the dashboard`}</Link>
      </p>
    </PageHead>
  );
}
