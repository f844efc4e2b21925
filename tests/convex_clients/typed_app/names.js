// Prints what a client calls the functions whose types it knows.

import { getFunctionName } from "convex/server";
import { api, internal } from "./made_up/_generated/api.js";

const known = [api.shop.goods, api.shop.goods.show, internal.shop.sweep];
console.log(JSON.stringify(known.map(getFunctionName)));
