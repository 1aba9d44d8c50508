// What Grafana's application registers before it draws: options of fields, and transformations.

import {
  FieldConfigOptionsRegistry,
  identityOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
} from "@grafana/data";

const STANDARD = [
  "unit", "decimals", "min", "max", "color", "thresholds", "mappings", "links", "noValue", "displayName",
];
const CUSTOM = [
  "drawStyle", "lineInterpolation", "lineWidth", "fillOpacity", "showPoints", "spanNulls", "stacking",
  "gradientMode", "cellOptions", "align", "inspect", "width", "minWidth",
];

/** The options that our panels set; one that is not here would be passed over in silence. */
export const OPTIONS = new FieldConfigOptionsRegistry(() => [
  ...STANDARD.map((name) => option(name, name, false)),
  ...CUSTOM.map((name) => option(`custom.${name}`, name, true)),
]);

/** Makes the transformations known that our panels use. */
export function registerTransformations() {
  const used = [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer];
  standardTransformersRegistry.setInit(() =>
    used.map((transformation) => ({ id: transformation.id, name: transformation.id, transformation })),
  );
}

/** Names of options that a panel sets and that are not drawn here. */
export function unknown(panel) {
  const { defaults, overrides } = panel.fieldConfig;
  const set = [
    ...Object.keys(defaults).filter((name) => name !== "custom"),
    ...Object.keys(defaults.custom ?? {}).map((name) => `custom.${name}`),
    ...(overrides ?? []).flatMap((override) => override.properties.map((property) => property.id)),
  ];
  return set.filter((name) => !OPTIONS.getIfExists(name));
}

function option(id, path, isCustom) {
  return {
    id,
    path,
    isCustom,
    name: id,
    process: identityOverrideProcessor,
    override: () => null,
    editor: () => null,
    shouldApply: () => true,
  };
}
