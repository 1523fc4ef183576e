// What a dashboard's JSON has to be: Grafana's own types, with an enum as its text. Panels and queries are closed
// here: Grafana leaves their options and targets open, and an open type takes every misspelt key.
import type { DataQuery, DataSourceRef, Dashboard, Panel, RowPanel } from "@grafana/schema";
import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type {
  FieldConfig as TimeSeriesFieldConfig,
  Options as TimeSeriesOptions,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

/** As it is in JSON. */
export type Json<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends readonly (infer Item)[]
      ? Json<Item>[]
      : T extends object
        ? { [Key in keyof T]: Json<T[Key]> }
        : T;

/** A query to Prometheus: its own fields are in no type that Grafana publishes. */
interface PrometheusQuery extends Pick<DataQuery, "refId" | "hide"> {
  datasource: DataSourceRef;
  expr: string;
  legendFormat: string;
  instant?: boolean;
}

/** An annotation from a query to Prometheus, as provisioned files have it. */
interface PrometheusAnnotation {
  name: string;
  enable: boolean;
  hide: boolean;
  iconColor: string;
  datasource: DataSourceRef;
  expr: string;
  titleFormat: string;
}

type Base = Required<Pick<Panel, "id" | "title" | "description" | "datasource" | "gridPos">>;
type Defaults = NonNullable<NonNullable<Panel["fieldConfig"]>["defaults"]>;
type Overrides = NonNullable<Panel["fieldConfig"]>["overrides"];

interface Drawn<Type extends string, Options, Custom> extends Base {
  type: Type;
  targets: PrometheusQuery[];
  fieldConfig: { defaults: Omit<Defaults, "custom"> & { custom?: Custom }; overrides: Overrides };
  options: Options;
}

type AnyPanel =
  | Drawn<"stat", StatOptions, never>
  | Drawn<"timeseries", TimeSeriesOptions, TimeSeriesFieldConfig>
  | (RowPanel & { type: "row" });

export type DashboardFile = Json<
  Omit<Dashboard, "panels" | "annotations"> & {
    panels: AnyPanel[];
    annotations: { list: PrometheusAnnotation[] };
  }
>;
