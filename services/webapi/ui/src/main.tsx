import { i18n } from "@lingui/core";
import { I18nProvider } from "@lingui/react";
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Problem, worthAsking } from "./api/problems";
import { meQuery } from "./api/session";
import "./design/styles.css";
import { Look, prepareLook } from "./design/Look";
import { keptLanguage, speak } from "./i18n";
import { router } from "./router";
import { takePlace } from "./shell/place";
import { refuseMarkup } from "./trusted";

const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      const signedOut = error instanceof Problem && error.status === 401;
      if (signedOut && query.queryKey[0] !== meQuery.queryKey[0]) {
        void queries.invalidateQueries(meQuery);
      }
    },
  }),
  defaultOptions: {
    queries: { retry: worthAsking, retryDelay: (failures) => 1000 * 2 ** failures },
    mutations: { retry: false },
  },
});

async function start(): Promise<void> {
  refuseMarkup();
  prepareLook();
  takePlace();
  await speak(keptLanguage());
  const place = document.getElementById("page");
  if (place === null) {
    throw new Error("index.html has no place for the page");
  }
  createRoot(place).render(
    <StrictMode>
      <I18nProvider i18n={i18n}>
        <Look>
          <QueryClientProvider client={queries}>
            <RouterProvider router={router} />
          </QueryClientProvider>
        </Look>
      </I18nProvider>
    </StrictMode>,
  );
}

void start();
