/*
 * Every message between the engine and its children, with its body in order
 * (strings and byte strings counted by u32, integers big-endian).
 */
#ifndef DAEMON_IPC_MESSAGES_H
#define DAEMON_IPC_MESSAGES_H

enum ipc_type {
    /* engine -> session, once: public host key blob | peer address text
     * | u32 grace ms | u32 keepalive ms | our name in the banner */
    IPC_SESSION_START = 1,
    /* session -> engine; answer IPC_LOGIN_RESULT.
     * user | password */
    IPC_LOGIN_PASSWORD,
    /* user | public key blob (RFC 4253) | its signature over the login, 64
     * bytes, or "" where the client only asks whether the key would do */
    IPC_LOGIN_KEY,
    IPC_LOGIN_RESULT, /* u8 granted | u8 role */

    /* session -> engine, the file tree; each is answered by one of IPC_STATUS,
     * IPC_HANDLE, IPC_DATA, IPC_ATTRS, IPC_LIST with its tag. */
    IPC_OPEN,        /* path | u32 SFTP open flags */
    IPC_CLOSE,       /* u32 handle */
    IPC_READ,        /* u32 handle | u64 offset | u32 length */
    IPC_WRITE,       /* u32 handle | u64 offset | data to the end of the body */
    IPC_STAT,        /* path */
    IPC_FSTAT,       /* u32 handle */
    IPC_READ_FOLDER, /* path */
    IPC_SETSTAT,     /* path */
    IPC_SYNC,        /* u32 handle */
    IPC_STATUS,      /* u32 SFTP status | text */
    IPC_HANDLE,      /* u32 handle */
    IPC_DATA,        /* data to the end of the body */
    IPC_ATTRS,       /* u64 size | u32 mode | u32 mtime */
    IPC_LIST, /* u32 count | each: name | u64 size | u32 mode | u32 mtime */
    /* engine -> session: send what is answered already, then say goodbye;
     * nothing more will be answered.  No body. */
    IPC_SESSION_END,
    /* session -> engine, before a login: the client broke the SSH protocol; the
     * session ends.  No body. */
    IPC_SESSION_OFFENCE,
    /* session -> engine: an exchange hash, 32 bytes, for the host key to sign;
     * one before the login, and one each time keys are exchanged anew. */
    IPC_HOST_SIGN,
    IPC_HOST_SIGNED, /* engine -> session: the signature, 64 bytes, or "" */

    /* engine -> connector; answer IPC_CONNECTED (with the descriptor) or
     * IPC_FAILED.  host | u16 port | last good address or "" | source address
     * or "" | u32 timeout ms.  IPC_CANCEL with the same tag ends it. */
    IPC_CONNECT = 64,
    IPC_CONNECTED, /* address text that answered | our own address text */
    IPC_CANCEL,

    /* engine -> pusher.  The tag of all link messages is the link's number. */
    IPC_LINK_START = 96, /* fd; u8 mode (enum link_mode) | user | password or
        "" | public login key blob or "" | pinned host key blob or "" |
        u32 timeout ms */
    IPC_LINK_PROCEED,    /* after IPC_LINK_HOST_KEY: go on to authenticate;
        the login key's signature over the login, 64 bytes, or "" */
    IPC_LINK_STOP,       /* close it; no more messages for this link */
    IPC_LINK_REQUEST,    /* u32 request | u8 SFTP type (OPEN CLOSE READ WRITE
        FSTAT STAT) | OPEN, STAT: path, u32 flags | CLOSE, FSTAT: handle bytes |
        READ: handle, u64 offset, u32 length | WRITE: handle, u64 offset, data
        to the end */
    /* pusher -> engine */
    IPC_LINK_HOST_KEY, /* host key blob | exchange hash | its signature (always
        sent once it is known) */
    IPC_LINK_READY,    /* logged in, VERSION exchanged; u32 round trip us */
    IPC_LINK_REPLY,    /* u32 request | u8 SFTP type (STATUS HANDLE DATA ATTRS)
        | STATUS: u32 status, text | HANDLE: bytes | DATA: data to the end |
        ATTRS: u64 size, u32 mode, u32 mtime; then nothing */
    IPC_LINK_BYTES,    /* u64 sent | u64 received, raw TCP payload so far; sent
        before READY, and before a reply if 1 s has passed, and at the end */
    IPC_LINK_CLOSED,   /* error code name | message | hint; the link is gone */

    IPC_FAILED = 128 /* error code name | message | hint */
};

enum link_mode {
    LINK_PROBE,    /* host key only */
    LINK_PASSWORD, /* as LINK_KEY, it waits for IPC_LINK_PROCEED */
    LINK_KEY
};

#endif
