import { serve } from "../lib";
import { tlsProvider } from "./provider";

serve(tlsProvider);
