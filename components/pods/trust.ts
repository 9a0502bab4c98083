/** Where every pod that connects finds the certificates that it verifies servers by; the URLs name files of this directory. */
export const trustPath = "/etc/authensor/trust";
