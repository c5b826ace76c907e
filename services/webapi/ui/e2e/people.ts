export const OWNER = { name: "ana", password: "a whale sings at night" };
